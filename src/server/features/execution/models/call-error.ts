import type { Logger } from "pino";
import { toAppError } from "../../../http/answers/problem.js";
import { ProviderError } from "../../../models/provider-client.js";

/** An error of a call, which is sent in the provider's own form. */
export class CallError extends Error {
  override readonly name = "CallError";
  readonly status: number;
  readonly code: string;
  readonly headers: Record<string, string>;
  /** Whether the same call will not be answered soon, so that clients must not repeat it. */
  readonly isFinal: boolean;
  constructor(
    status: number,
    code: string,
    message: string,
    { headers = {}, isFinal = false }: CallErrorOptions = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    // The clients of both providers otherwise try again.
    this.headers = { ...headers, ...(isFinal && { "x-should-retry": "false" }) };
    this.isFinal = isFinal;
  }
}

interface CallErrorOptions {
  headers?: Record<string, string>;
  isFinal?: boolean;
}

export function callErrorOf(error: unknown, log: Logger): CallError {
  if (error instanceof CallError) return error;
  if (error instanceof ProviderError) {
    log.warn({ err: error }, "a model call failed");
    return error.isTimeout
      ? new CallError(504, "provider_timeout", error.message)
      : new CallError(502, "provider_unreachable", error.message);
  }
  const { status, code, message } = toAppError(error);
  if (code !== "internal") return new CallError(status, code, message);
  log.error({ err: error }, "a model call failed");
  return new CallError(500, "internal_error", "The call failed; the server's log has the cause.");
}
