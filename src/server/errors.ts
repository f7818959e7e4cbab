import { errorCodes, type ErrorCode, type FieldError } from "#shared/errors.js";

/** What an error's answer holds besides the standard members, such as `suggestion`. */
type Extra = { errors?: FieldError[]; headers?: Record<string, string>; [member: string]: unknown };

/**
 * A refusal that the caller is told of: a code of the registry and one sentence that says what to do. It
 * has no stack: nothing went wrong here, and to write one takes longer than the rest of a refusal.
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

/**
 * Whether something failed because a disk, or what somebody may use of it, is full: as Node says it, as
 * PostgreSQL (53100), or as a program that was started (git) in its last words.
 */
export function isNoSpace(error: unknown): boolean {
  const { code, stderr, cause } = error as { code?: unknown; stderr?: unknown; cause?: unknown };
  if (code === "ENOSPC" || code === "EDQUOT" || code === "53100") return true;
  if (typeof stderr === "string" && FULL.test(stderr)) return true;
  return cause instanceof Error && isNoSpace(cause);
}

/** git says "unable to write file" or "Out of diskspace" without the reason, where a file could be opened but not filled. */
const FULL = /No space left on device|Disk quota exceeded|Out of diskspace|unable to write file/;

export function noSpace(): AppError {
  return new AppError(
    "no_space",
    "The server's disk is full and what you asked for was not done; free some space, and try again.",
  );
}

/** Not possible for the time being, through no fault of the request, which may be sent again. */
export function unavailable(detail: string): AppError {
  return new AppError("unavailable", detail, { headers: { "retry-after": "2" } });
}

/** Absent or not visible: one answer for both, so that it tells nothing (contract, 404). */
export function notFound(): AppError {
  return new AppError("not_found", "There is nothing here that you can see; check the address.");
}

/** A body's field that is wrong by what it refers to or by a rule the schema cannot say. */
export function invalidField(field: string, message: string, type = "invalid"): AppError {
  return new AppError("validation_failed", `${field}: ${message}.`, {
    errors: [{ loc: ["body", field], msg: message, type }],
  });
}
