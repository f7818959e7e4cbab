import { errorCodes, type ErrorCode, type FieldError } from "#shared/errors.js";

/** Extra members of an error response, such as `suggestion`. */
type Extra = { errors?: FieldError[]; headers?: Record<string, string>; [member: string]: unknown };

/**
 * An error reported to the caller: a registered code and a sentence that says what to do. It has no
 * stack trace, which would cost more than the rest of the response.
 */
export class AppError extends Error {
  override readonly name = "AppError";
  readonly code: ErrorCode;
  readonly extra: Extra;

  constructor(code: ErrorCode, detail: string, extra: Extra = {}) {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(detail);
    Error.stackTraceLimit = stackTraceLimit;
    this.code = code;
    this.extra = extra;
  }

  get status(): number {
    return errorCodes[this.code][0];
  }
}

export function noSpace(): AppError {
  return new AppError(
    "no_space",
    "The server's disk is full, so the operation was not completed; free some space, and try again.",
  );
}

/** The error of a caller that gets no lock, see `openDatabase`. */
export function workspaceBusy(reason: string): AppError {
  return new AppError("workspace_busy", `${reason}; try again in a moment.`, {
    headers: { "retry-after": "5" },
  });
}

/** The node that stores the data does not respond, or may not write now. */
export function homeUnavailable(): AppError {
  return new AppError(
    "home_unavailable",
    "The server that stores the project is not available; try again in a moment.",
    { headers: { "retry-after": "5" } },
  );
}

/** Seconds after which a call that the maintenance refused may be repeated: its end is not known. */
const MAINTENANCE_RETRY_SECONDS = 60;

/** @param message of the operator */
export function inMaintenance(message: string): AppError {
  return new AppError(
    "maintenance",
    `Omoi is in maintenance, and nothing can be changed until it ends: ${message}`,
    { headers: { "retry-after": String(MAINTENANCE_RETRY_SECONDS) } },
  );
}

/** A temporary failure unrelated to the request, which can be retried. */
export function unavailable(detail: string): AppError {
  return new AppError("unavailable", detail, { headers: { "retry-after": "2" } });
}

/** A change that was made, in part or not at all: the connection to the database broke during its commit. */
export function outcomeUnknown(cause: unknown): AppError {
  const error = new AppError(
    "outcome_unknown",
    "The connection to the database broke while the change was being saved, so that it may have been made. Read the data again before you repeat the request.",
    { headers: { "retry-after": "2" } },
  );
  error.cause = cause;
  return error;
}

/** Absent and invisible resources get the same answer, so that it reveals nothing. */
export function notFound(): AppError {
  return new AppError(
    "not_found",
    "The resource does not exist or you cannot see it; check the address.",
  );
}

/** A field whose reference is wrong, or which breaks a rule the schema cannot express. */
export function invalidField(field: string, message: string, type = "invalid"): AppError {
  return new AppError("validation_failed", `${field}: ${message}.`, {
    errors: [{ loc: ["body", field], msg: message, type }],
  });
}
