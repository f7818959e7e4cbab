import type { Problem } from "#shared/errors.js";
import type { TestApp } from "../server/app.js";

export interface RawResponse {
  status: number;
  headers: Headers;
  text: string;
}

interface RawRequest {
  token?: string;
  headers?: Record<string, string>;
  /** Sent as is; an object as JSON, with its content type. */
  body?: unknown;
}

/**
 * Sends one HTTP request that the typed client cannot. An event stream ends only by a disconnect;
 * its text is not awaited.
 */
export async function send(
  app: Pick<TestApp, "url">,
  method: string,
  path: string,
  { token, headers = {}, body }: RawRequest = {},
): Promise<RawResponse> {
  const json = body !== undefined && typeof body !== "string";
  const response = await fetch(app.url + path, {
    method,
    redirect: "manual",
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(json ? { "content-type": "application/json" } : {}),
      ...headers,
    },
    ...(body === undefined ? {} : { body: json ? JSON.stringify(body) : body }),
  });
  const isEndless = response.headers.get("content-type")?.startsWith("text/event-stream") ?? false;
  if (isEndless) await response.body?.cancel();
  const text = isEndless ? "" : await response.text();
  return { status: response.status, headers: response.headers, text };
}

/** Returns the problem in a response; throws if it is not one. */
export function problemOf(answer: RawResponse): Problem {
  const type = answer.headers.get("content-type") ?? "";
  if (!type.startsWith("application/problem+json")) {
    throw new Error(`expected a problem, got ${answer.status} ${type}: ${answer.text}`);
  }
  return JSON.parse(answer.text) as Problem;
}

/** Returns the body without its request id, for comparisons. */
export function withoutRequestId({ text }: RawResponse): string {
  return text.replace(/"request_id":"[^"]*"/, '"request_id":""');
}

/** Returns the fields named in a 422, without duplicates: `body.slug`. */
export function fieldsOf(problem: Problem): string[] {
  return [...new Set((problem.errors ?? []).map(({ loc }) => loc.join(".")))];
}
