import pg from "pg";

/* Database failures unrelated to the request, which can be retried at once or later. */

/**
 * serialization_failure and deadlock_detected: PostgreSQL aborted one transaction so that others can
 * proceed.
 */
const RETRYABLE = new Set(["40001", "40P01"]);

/**
 * SQLSTATEs of an unavailable server: lock timeout, shutdown, startup, too many connections, and a write
 * on a server that has become a standby.
 */
const AWAY = /^(?:08...|57P0[1-5]|53300|55P03|25006)$/;
/**
 * Network errors of an established connection; errors of connecting are recognized by their system
 * call. A server behind a broken cable is unreachable instead of silent once its neighbors notice.
 */
const BROKEN = new Set([
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "EHOSTDOWN",
  "ENETUNREACH",
  "ENETDOWN",
]);
/** Driver messages without a code. */
const DRIVER_MESSAGES =
  /^(?:Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Client was closed|Query read timeout)/;

/** SQLSTATEs and driver messages of a connection that its server or the network ended. */
const LOST = /^(?:08(?!001)...|57P0[1-5])$/;
const LOST_MESSAGES =
  /^(?:Connection terminated|Client has encountered a connection error|Client was closed)/;

/** The connection broke between a commit and its answer: the transaction may have been committed. */
export class CommitUnknownError extends Error {
  override readonly name = "CommitUnknownError";

  constructor(cause: unknown) {
    super("the connection broke during a commit, which may have been made", { cause });
  }
}

/** Whether a change may have been made although its transaction failed. */
export function isCommitUnknown(error: unknown): boolean {
  return someCause(error, (cause) => cause instanceof CommitUnknownError);
}

/** Whether an established connection was lost. An open transaction on it was rolled back. */
export function isConnectionLost(error: unknown): boolean {
  return someCause(error, ({ code, syscall, message }) =>
    typeof code === "string"
      ? LOST.test(code) || (BROKEN.has(code) && syscall !== "connect")
      : LOST_MESSAGES.test(message),
  );
}

/** Whether a failed transaction can be retried immediately. */
export function isRetryable(error: unknown): boolean {
  return someCause(error, ({ code }) => RETRYABLE.has(String(code)));
}

/**
 * Whether the database was unreachable, disconnected or too busy, so that the request can be retried
 * later.
 */
export function isDatabaseUnavailable(error: unknown): boolean {
  return someCause(error, ({ code, syscall, message }) =>
    typeof code === "string"
      ? AWAY.test(code) ||
        BROKEN.has(code) ||
        RETRYABLE.has(code) ||
        syscall === "connect" ||
        syscall === "getaddrinfo"
      : DRIVER_MESSAGES.test(message),
  );
}

/** SQLSTATE of `require_node_epoch`: another server has taken over the data of this node. */
const OUTDATED_EPOCH = "OM001";

/** Whether a transaction failed because its node is in another epoch. */
export function isOutdatedEpoch(error: unknown): boolean {
  return someCause(error, ({ code }) => code === OUTDATED_EPOCH);
}

/** Whether PostgreSQL rejected a query or could not be reached. */
export function isDatabaseError(error: unknown): boolean {
  return (
    isDatabaseUnavailable(error) || someCause(error, (cause) => cause instanceof pg.DatabaseError)
  );
}

/**
 * The query builder wraps driver errors, and a host with several addresses fails with one aggregate
 * error.
 */
function someCause(
  error: unknown,
  matches: (error: Error & { code?: unknown; syscall?: unknown }) => boolean,
): boolean {
  if (!(error instanceof Error)) return false;
  if (matches(error)) return true;
  if (error instanceof AggregateError && error.errors.some((inner) => someCause(inner, matches))) {
    return true;
  }
  return someCause(error.cause, matches);
}
