import type { z } from "zod";
import calls from "virtual:calls";
import { type Answer, ApiError, clientOf } from "#shared/contract/call.js";
import type { Endpoint } from "#shared/contract/endpoint.js";
import type { FieldError } from "#shared/errors.js";
import { type Call, schemasOf } from "./api-calls.js";
import { checkConnection } from "../hooks/connection.js";
import { takePreloaded } from "./preloaded-responses.js";

export { ApiError };

let signedOut: () => void = () => {};

/** Sets the handler for an expired session; called once, by the router. */
export function onSignedOut(handler: () => void): void {
  signedOut = handler;
}

/**
 * The typed client, authenticated by the session cookie. A network failure is an `ApiError` with status
 * 0.
 */
export const client = clientOf(calls, async (path, init) => {
  let response: Response;
  try {
    response = await (takePreloaded(path, init) ??
      fetch(path, { ...init, credentials: "same-origin" }));
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    void checkConnection();
    throw noAnswer();
  }
  // A proxy answered for an unreachable server.
  if ([502, 503, 504].includes(response.status)) void checkConnection();
  // A wrong password, code or passkey also returns 401, with its own message.
  if (response.status === 401 && !path.startsWith("/api/v1/auth/login")) signedOut();
  return response;
});

const noAnswer = (): ApiError =>
  clientError(0, "The server does not answer. Check your connection and try again.");

/** Creates a client-side error that is shown like one from the server. */
export function clientError(status: number, detail: string, errors?: FieldError[]): ApiError {
  return new ApiError({
    type: "about:blank",
    title: detail,
    status,
    detail,
    code: status === 0 ? "unavailable" : status === 422 ? "validation_failed" : "internal",
    request_id: "",
    ...(errors ? { errors } : {}),
  });
}

/** Converts any error to an `ApiError` with a readable message. */
export function asApiError(error: unknown): ApiError {
  return error instanceof ApiError
    ? error
    : clientError(500, "Something went wrong in this page. Reload it and try again.");
}

/**
 * Validates a body by the contract's schema before it is sent.
 * @throws ApiError the server's validation error, so that forms handle both alike
 */
export async function validateBody<Body extends z.ZodType>(
  call: Call<Endpoint & { body: Body }>,
  body: z.input<Body>,
): Promise<z.input<Body>> {
  const schemas = await schemasOf(call).catch(() => {
    throw noAnswer();
  });
  const result = schemas.body.safeParse(body);
  if (result.success) return body;
  throw clientError(
    422,
    "Check the marked fields.",
    result.error.issues.map((issue) => ({
      loc: ["body", ...issue.path.map((part) => (typeof part === "symbol" ? String(part) : part))],
      msg: issue.message,
      type: issue.code,
    })),
  );
}

/** Returns the cursor of the next page, from `Link: <…>; rel="next"`. */
export function nextCursor(headers: Headers): string | undefined {
  const link = /<([^>]+)>\s*;\s*rel="?next"?/.exec(headers.get("link") ?? "")?.[1];
  if (link === undefined) return undefined;
  return new URL(link, location.origin).searchParams.get("cursor") ?? undefined;
}

/** Reads all pages of a list; for lists that are short by nature. */
export async function everyPage<Row>(
  call: (query: { limit: number; cursor?: string }) => Promise<Answer<Row[]>>,
): Promise<Row[]> {
  const rows: Row[] = [];
  let cursor: string | undefined;
  do {
    const answer = await call(cursor === undefined ? { limit: 200 } : { limit: 200, cursor });
    rows.push(...answer.data);
    cursor = nextCursor(answer.headers);
  } while (cursor !== undefined);
  return rows;
}
