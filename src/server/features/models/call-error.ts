import type { Logger } from "pino";
import { AppError } from "../../errors.js";
import { ProviderError } from "../../models/provider-client.js";

/** An error of a call, which is sent in the provider's own form. */
export class CallError extends Error {
  override readonly name = "CallError";
  readonly status: number;
  readonly code: string;
  readonly headers: Record<string, string>;
  constructor(status: number, code: string, message: string, headers = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

export function callErrorOf(error: unknown, log: Logger): CallError {
  if (error instanceof CallError) return error;
  if (error instanceof ProviderError) {
    log.warn({ err: error }, "a model call failed");
    return error.isTimeout
      ? new CallError(504, "provider_timeout", error.message)
      : new CallError(502, "provider_unreachable", error.message);
  }
  if (error instanceof AppError) return new CallError(error.status, error.code, error.message);
  log.error({ err: error }, "a model call failed");
  return new CallError(500, "internal_error", "The call failed; the server's log has the cause.");
}
