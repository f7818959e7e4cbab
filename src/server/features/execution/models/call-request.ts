/** The request of a run to a provider, as it is sent on. */
import type { IncomingHttpHeaders } from "node:http";
import { Readable } from "node:stream";
import type { RawRequest } from "../../../http/raw-routes.js";
import { limitBytes } from "../../../http/requests/limit-bytes.js";
import type { CallEstimate } from "../../../models/call-estimate.js";
import type { HeldBytes } from "../../../models/held-bytes.js";
import type { Provider } from "#shared/execution/models/providers.js";
import { readRequest, type ReadRequest } from "../../../models/read-request.js";
import { CallError } from "./call-error.js";

/** Maximum size of a request; providers take 32 to 50 MB. */
export const MAX_REQUEST_BYTES = 64 * 1024 * 1024;
/** Maximum size of a request that is read, so that its tokens are counted. */
export const MAX_READ_REQUEST_BYTES = 16 * 1024 * 1024;
/** Maximum size of a request that is read because of a budget or the allowed models; Anthropic takes 32 MB. */
export const MAX_BUDGETED_REQUEST_BYTES = 32 * 1024 * 1024;

const VERSION = "v1";
/** A part of a path, without characters that a provider may decode to another path. */
const SEGMENT = /^[\w.:@~-]+$/;

/**
 * Returns the path of a call behind the version, with its slash.
 * @param path behind the provider's name
 * @throws CallError 404 for another path, 405 for another method
 */
export function pathOfCall(path: string, method: string, { name, calls }: Provider): string {
  const [version, ...segments] = path.split("/");
  const isValid =
    version === VERSION && segments.every((part) => SEGMENT.test(part) && !/^\.+$/.test(part));
  const behind = `/${segments.join("/")}`;
  const takes = (asked: string): boolean =>
    isValid && calls.some((call) => call.test(`${asked} ${behind}`));
  if (takes(method === "HEAD" ? "GET" : method)) return behind;
  const allow = [...(takes("GET") ? ["GET", "HEAD"] : []), ...(takes("POST") ? ["POST"] : [])];
  if (allow.length > 0) {
    const detail = `This address takes ${allow.join(", ")}; use one of these.`;
    const headers = { allow: allow.join(", ") };
    throw new CallError(405, "method_not_allowed", detail, { headers });
  }
  throw new CallError(
    404,
    "not_found",
    `Runs reach the calls that generate text or list models, below /models/${name}/${VERSION}/.`,
  );
}

export type KeyHeader = "authorization" | "x-api-key";

/** @throws CallError 401 without a token */
export function tokenOf(headers: IncomingHttpHeaders): { token: string; header: KeyHeader } {
  const own = headers["x-api-key"];
  if (typeof own === "string") return { token: own, header: "x-api-key" };
  const [, token] = /^Bearer ([\x21-\x7e]{1,2048})$/i.exec(headers.authorization ?? "") ?? [];
  if (token !== undefined) return { token, header: "authorization" };
  throw new CallError(401, "unauthenticated", "Send OMOI_TOKEN as the API key.");
}

/** Parameters of Anthropic's beta calls, of lists of models, and of Azure's versions. */
const sentParameters = new Set([
  "after",
  "after_id",
  "api-version",
  "before_id",
  "beta",
  "limit",
  "order",
]);

/**
 * Returns the parameters that are sent on, with their question mark. Others may name a key, an account or a method.
 * @throws CallError 400 for a query that contains the run's token
 */
export function queryOf({ raw }: Pick<RawRequest, "raw">, token: string): string {
  const at = raw.url?.indexOf("?") ?? -1;
  const query = at < 0 ? "" : (raw.url ?? "").slice(at + 1);
  if (query.includes(token)) {
    throw new CallError(400, "token_in_query", "Send the token as a header, not in the address.");
  }
  const sent = query.split("&").filter((part) => sentParameters.has(part.replace(/=.*$/, "")));
  return sent.length === 0 ? "" : `?${sent.join("&")}`;
}

export interface CallBody {
  body: Readable | Buffer | null;
  /** Whether the answer's usage was asked for by the server. */
  isUsageAdded: boolean;
  /** Null if the body was not read. */
  estimate: CallEstimate | null;
  /** Frees the memory of a body that was read. May be called several times. */
  release(this: void): void;
}

const notRead = { isUsageAdded: false, estimate: null, release: () => {} };

interface BodyOptions {
  /** Of the call, behind the version. */
  path: string;
  provider: Provider;
  /** Whether its model and its tokens are read. */
  isRead: boolean;
  held: HeldBytes;
}

/** @throws CallError 400, 413; 503 while too much is held */
export async function bodyOf(
  request: RawRequest,
  { path, provider: { readsBodies }, isRead, held }: BodyOptions,
): Promise<CallBody> {
  const { body, raw, headers } = request;
  const length = Number(headers["content-length"] ?? 0);
  if (!(body instanceof Readable)) {
    const isEmpty = length === 0 && headers["transfer-encoding"] === undefined;
    if (isEmpty) return { body: null, ...notRead };
    throw new CallError(400, "unexpected_body", `A ${raw.method} request has no body.`);
  }
  if ((headers["content-encoding"] ?? "identity") !== "identity") {
    throw new CallError(400, "encoded_body", "Send the body without a content encoding.");
  }
  const most = isRead ? MAX_BUDGETED_REQUEST_BYTES : MAX_REQUEST_BYTES;
  const limit = readsBodies ? MAX_READ_REQUEST_BYTES : most;
  if (length > limit) throw tooLarge(limit);
  const counted = limitBytes(body, limit, () => tooLarge(limit));
  if (!readsBodies && !isRead) return { body: counted, ...notRead };
  return readBody(counted, held, (whole) => readRequest(whole, path, readsBodies));
}

const tooLarge = (limit: number): CallError =>
  new CallError(413, "payload_too_large", `A request has at most ${limit / 2 ** 20} MiB.`);

async function readBody(
  counted: Readable,
  held: HeldBytes,
  read: (body: Buffer) => ReadRequest | string,
): Promise<CallBody> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const release = (): void => {
    held.give(bytes);
    bytes = 0;
  };
  try {
    for await (const chunk of counted as AsyncIterable<Buffer>) {
      if (!held.take(chunk.length)) {
        const detail = "Too many requests are held, of this run or of all; try again in a moment.";
        throw new CallError(503, "busy", detail, { headers: { "retry-after": "1" } });
      }
      bytes += chunk.length;
      chunks.push(chunk);
    }
    const request = read(Buffer.concat(chunks));
    if (typeof request === "string") throw new CallError(400, "invalid_request", request);
    return { ...request, release };
  } catch (error) {
    release();
    throw error;
  }
}

/**
 * Headers of a call that are sent on: what it contains, its version and beta features, and what names a program and
 * its conversation. Others may name an account, a project or a method.
 */
const sentNames = new Set([
  "accept",
  "accept-language",
  "anthropic-beta",
  "anthropic-dangerous-direct-browser-access",
  "anthropic-version",
  "content-type",
  "conversation_id",
  "idempotency-key",
  "openai-beta",
  "originator",
  "session_id",
  "user-agent",
  "version",
  "x-app",
  "x-client-request-id",
]);
/** The clients of both providers describe themselves. */
const sentPrefix = "x-stainless-";

interface SentHeaders {
  header: KeyHeader;
  key: string;
  token: string;
  body: CallBody["body"];
}

/** Returns the headers of the request to the provider: those of the caller that are sent on, with the key. */
export function sentHeaders(
  given: IncomingHttpHeaders,
  { header, key, token, body }: SentHeaders,
): Record<string, string | string[]> {
  const kept = Object.entries(given).flatMap(([name, value]) => {
    const isSent = sentNames.has(name) || name.startsWith(sentPrefix);
    return value === undefined || !isSent || String(value).includes(token)
      ? []
      : [[name, value] as const];
  });
  // A length without a body would make the next request of the connection the body.
  const length = Buffer.isBuffer(body)
    ? body.length
    : body === null
      ? undefined
      : given["content-length"];
  return {
    ...Object.fromEntries(kept),
    // The answer is read, so it must not be compressed.
    "accept-encoding": "identity",
    [header]: header === "authorization" ? `Bearer ${key}` : key,
    ...(length !== undefined && { "content-length": String(length) }),
  };
}
