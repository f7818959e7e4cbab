import pg from "pg";

/* Failures of the database that say nothing about the request: it can be repeated, at once or later. */

/** serialization_failure, deadlock_detected: PostgreSQL ended one transaction so that others can go on. */
const REPEATABLE = new Set(["40001", "40P01"]);

/** As PostgreSQL says it: a lock was not granted in time, it shuts down, starts, or takes no more connections. */
const AWAY = /^(?:08...|57P0[1-5]|53300|55P03)$/;
/** As the network says it of a connection that was there; one that cannot be made says so by its call. */
const BROKEN = new Set(["ECONNRESET", "EPIPE", "ETIMEDOUT"]);
/** As the driver says it, without a code. */
const DRIVER_MESSAGES =
  /^(?:Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Query read timeout)/;

/** Whether a transaction that failed succeeds when it is simply run again. */
export function isRepeatable(error: unknown): boolean {
  return someCause(error, ({ code }) => REPEATABLE.has(String(code)));
}

/** Whether the database could not be reached, went away or stayed busy: the request may be sent again later. */
export function isDatabaseUnavailable(error: unknown): boolean {
  return someCause(error, ({ code, syscall, message }) =>
    typeof code === "string"
      ? AWAY.test(code) ||
        BROKEN.has(code) ||
        REPEATABLE.has(code) ||
        syscall === "connect" ||
        syscall === "getaddrinfo"
      : DRIVER_MESSAGES.test(message),
  );
}

/** Whether PostgreSQL refused a query, for whatever reason, or could not be reached. */
export function isDatabaseError(error: unknown): boolean {
  return (
    isDatabaseUnavailable(error) || someCause(error, (cause) => cause instanceof pg.DatabaseError)
  );
}

/** The query builder wraps the driver's errors; several addresses of one host fail as one error. */
function someCause(
  error: unknown,
  holds: (error: Error & { code?: unknown; syscall?: unknown }) => boolean,
): boolean {
  if (!(error instanceof Error)) return false;
  if (holds(error)) return true;
  if (error instanceof AggregateError && error.errors.some((one) => someCause(one, holds))) {
    return true;
  }
  return someCause(error.cause, holds);
}
