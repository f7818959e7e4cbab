import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import type { z } from "zod";
import { errorCodes, type FieldError, type Problem } from "#shared/errors.js";
import {
  isCommitUnknown,
  isDatabaseUnavailable,
  isOutdatedEpoch,
} from "../../db/connection/failures.js";
import { isNoSpace } from "#shared/node/no-space.js";
import { AppError, homeUnavailable, noSpace, outcomeUnknown, unavailable } from "../../errors.js";
import { endWhenStopping } from "./end-when-stopping.js";

const mediaType = "application/problem+json; charset=utf-8";
/** The page that explains the codes, each at its anchor. */
export const errorsPath = "/api/docs/errors";

declare module "fastify" {
  interface FastifyInstance {
    /** The public address of this server. */
    publicUrl: () => string;
  }
}

/** Returns the body of an error response (RFC 9457). */
function problemText(
  { code, message, extra }: AppError,
  requestId: string,
  publicUrl: string,
): string {
  const { headers: _headers, ...members } = extra;
  const [status, title] = errorCodes[code];
  const problem: Problem = {
    type: `${publicUrl}${errorsPath}#${code}`,
    title,
    status,
    detail: message,
    code,
    request_id: requestId,
    ...members,
  };
  return JSON.stringify(problem);
}

/** Sends an error as `application/problem+json`. */
export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const known = toAppError(error, request.method === "GET" || request.method === "HEAD");
  if (known !== error && known.status >= 500) request.log.error({ err: error }, "a request failed");
  endWhenStopping(request, reply);
  void reply
    .code(known.status)
    .headers(known.extra.headers ?? {})
    .header("cache-control", "no-store")
    .type(mediaType)
    // Fastify would send an object as application/json.
    .send(problemText(known, request.id, request.server.publicUrl()));
}

/** Responds to input that never became a request: headers that are late, too large or not HTTP. */
export function clientErrorHandler(
  publicUrl: () => string,
): (error: NodeJS.ErrnoException, socket: Socket) => void {
  const answered = new WeakSet<Socket>();
  return (error, socket) => {
    // Node reports each further piece that a client sends after a malformed one.
    if (answered.has(socket)) return;
    if (!socket.writable || error.code === "ECONNRESET") {
      socket.destroy();
      return;
    }
    answered.add(socket);
    const known = clientErrors[error.code ?? ""] ?? malformed;
    const body = problemText(known, randomUUID(), publicUrl());
    const lines = [
      `HTTP/1.1 ${known.status} ${errorCodes[known.code][1]}`,
      `content-type: ${mediaType}`,
      `content-length: ${Buffer.byteLength(body)}`,
      "cache-control: no-store",
      "connection: close",
    ];
    socket.end(`${lines.join("\r\n")}\r\n\r\n${body}`);
    const timer = setTimeout(() => socket.destroy(), LINGER_MS);
    socket.once("close", () => clearTimeout(timer));
  };
}

/**
 * Time for a client to read the answer to a malformed request. Until then its further bytes are discarded:
 * closing a socket with unread bytes resets the connection, and the client loses the answer.
 */
const LINGER_MS = 2000;

const malformed = new AppError(
  "bad_request",
  "The request is malformed; check its headers and body.",
);
/** Errors by the code of Node's HTTP parser. */
const clientErrors: Readonly<Record<string, AppError>> = {
  ERR_HTTP_REQUEST_TIMEOUT: new AppError(
    "request_timeout",
    "The request's headers did not arrive in time; send it again, and faster.",
  ),
  HPE_HEADER_OVERFLOW: new AppError(
    "headers_too_large",
    "The request's headers are larger than 16 KiB; send fewer or shorter ones.",
  ),
};

/**
 * Maps any error to the one that is sent.
 * @param isRead whether the request cannot have made a change
 */
export function toAppError(error: unknown, isRead = false): AppError {
  if (error instanceof AppError) return error;
  if (isNoSpace(error)) return noSpace();
  if (!isRead && isCommitUnknown(error)) return outcomeUnknown(error);
  if (isDatabaseUnavailable(error)) {
    return unavailable("The database cannot be reached; try again in a moment.");
  }
  if (isOutdatedEpoch(error)) return homeUnavailable();
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
    return malformed;
  }
  return new AppError(
    "internal",
    "The server failed on this request; try again, and give its request_id to the operator of the server.",
  );
}

/** Converts zod's issues to a 422 error that lists each field with its location. */
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
