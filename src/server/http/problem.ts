import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import type { z } from "zod";
import { errorCodes, type FieldError, type Problem } from "#shared/errors.js";
import { isDatabaseUnavailable } from "../db/failures.js";
import { AppError, isNoSpace, noSpace, unavailable } from "../errors.js";
import { endWhenStopping } from "./drain.js";

/** Sends an error as `application/problem+json` (RFC 9457): the one place that does. */
export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const known = toAppError(error);
  if (known !== error && known.status >= 500) request.log.error({ err: error }, "a request failed");
  endWhenStopping(request, reply);
  const { headers, ...members } = known.extra;
  const [status, title] = errorCodes[known.code];
  const problem: Problem = {
    type: `about:blank#${known.code}`,
    title,
    status,
    detail: known.message,
    code: known.code,
    request_id: request.id,
    ...members,
  };
  void reply
    .code(status)
    .headers(headers ?? {})
    .header("cache-control", "no-store")
    .type("application/problem+json; charset=utf-8")
    // A string, so that the type stays problem+json.
    .send(JSON.stringify(problem));
}

function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  if (isNoSpace(error)) return noSpace();
  if (isDatabaseUnavailable(error)) {
    return unavailable("The database cannot be reached; try again in a moment.");
  }
  const { code, statusCode } = error as Partial<FastifyError>;
  switch (code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return new AppError("body_too_large", "The body is larger than 1 MiB; send less.");
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return new AppError(
        "unsupported_media_type",
        "Send JSON with the content type application/json.",
      );
    case "FST_ERR_CTP_INVALID_JSON_BODY":
    case "FST_ERR_CTP_EMPTY_JSON_BODY":
      return new AppError("malformed_json", "The body is not valid JSON; correct it.");
    case "FST_ERR_BAD_URL":
      return new AppError("bad_request", "The address is not valid; check its encoding.");
    case undefined:
    default:
  }
  if (error instanceof SyntaxError && statusCode === 400) {
    return new AppError("malformed_json", "The body is not valid JSON; correct it.");
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new AppError("bad_request", "The request is malformed; check its headers and body.");
  }
  return new AppError(
    "internal",
    "The server failed on this request; try again, and give its request_id to whoever runs the server.",
  );
}

/** What zod found wrong, each field with its place, as the 422 answer lists it. */
export function validationError(part: "body" | "query", error: z.ZodError): AppError {
  const errors = error.issues.flatMap((issue): FieldError[] =>
    issue.code === "unrecognized_keys"
      ? issue.keys.map((key) => ({
          loc: [part, ...(issue.path as (string | number)[]), key],
          msg: "is not a field of this call; remove it",
          type: "unknown_field",
        }))
      : [
          {
            loc: [part, ...(issue.path as (string | number)[])],
            msg: isMissing(issue) ? "is required" : issue.message,
            type: isMissing(issue) ? "missing" : issue.code,
          },
        ],
  );
  const named = errors.map(({ loc, msg }) => `${loc.slice(1).join(".") || part} ${msg}`);
  return new AppError("validation_failed", `${named.slice(0, 3).join("; ")}.`, { errors });
}

function isMissing(issue: z.core.$ZodIssue): boolean {
  return issue.code === "invalid_type" && issue.input === undefined && issue.path.length > 0;
}
