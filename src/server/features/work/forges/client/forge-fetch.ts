/** The one way to the API of a forge: checked addresses, limits of time and size, and answers kept by their ETags. */
import { Agent as HttpAgent, request as requestHttp, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import { addressRule, checkedLookup, literalRefusal } from "#shared/node/checked-lookup.js";
import { errorOfAnswer, ForgeError } from "../forge.js";

/** Maximum time of a request with its answer. */
const TIMEOUT_MS = 20_000;
/** Maximum bytes of an answer. A list of 100 repositories has about 600 KiB. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;
/** A renamed repository answers with a redirect. */
const MAX_REDIRECTS = 3;
const MAX_KEPT_ANSWERS = 200;
const MAX_KEPT_BYTES = 256 * 1024;

export interface FetchRules {
  allowsPrivate: boolean;
  /** Certificate authorities in PEM format, in place of the machine's. */
  ca: Buffer | null;
}

export type ForgeFetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

interface Answer {
  status: number;
  headers: Headers;
  body: Buffer;
}

/**
 * Returns a `fetch` for the API of one connection, at one origin. An answer that the forge says is unchanged (304) is
 * given again as it was, so that callers need not know; GitHub does not count such requests.
 * @throws ForgeError `unreachable`
 */
export function createForgeFetch(apiUrl: string, rules: FetchRules): ForgeFetch {
  const { origin, protocol } = new URL(apiUrl);
  const refusalOf = addressRule(rules.allowsPrivate);
  const lookup = checkedLookup(refusalOf, (text) => new ForgeError("unreachable", text));
  const agent =
    protocol === "https:"
      ? new HttpsAgent({ keepAlive: true, timeout: 10_000, ...(rules.ca && { ca: rules.ca }) })
      : new HttpAgent({ keepAlive: true, timeout: 10_000 });
  const kept = new Map<string, Answer>();

  const send = (url: URL, init: RequestInit, signal: AbortSignal): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const headers = Object.fromEntries(new Headers(init.headers).entries());
      const begin = protocol === "https:" ? requestHttps : requestHttp;
      const method = init.method ?? "GET";
      const outgoing = begin(url, { method, headers, agent, lookup, signal });
      let hasAnswered = false;
      outgoing.once("response", (response) => {
        hasAnswered = true;
        readAnswer(response).then(resolve, reject);
      });
      outgoing.once("error", reject);
      // Some ends have no other event, such as a change to another protocol.
      outgoing.once("close", () => {
        if (!hasAnswered) reject(new Error("no answer"));
      });
      if (typeof init.body === "string") {
        // Node sends the body of a DELETE without its length otherwise, which ends the connection.
        outgoing.setHeader("content-length", Buffer.byteLength(init.body));
        outgoing.end(init.body);
      } else outgoing.end();
    });

  const check = (url: URL): void => {
    if (url.origin !== origin) {
      throw new ForgeError("unreachable", `The forge leads to another address, ${url.host}.`);
    }
    if (protocol !== "https:" && !rules.allowsPrivate) {
      throw new ForgeError("unreachable", "The address of the forge must begin with https://.");
    }
    const refused = literalRefusal(url, refusalOf);
    if (refused !== null) {
      throw new ForgeError("unreachable", `The address of the forge ${refused}.`);
    }
  };

  return async (input, init = {}) => {
    let url = new URL(input instanceof Request ? input.url : input);
    const isGet = (init.method ?? "GET").toUpperCase() === "GET";
    const headers = new Headers(init.headers);
    const key = `${headers.get("accept") ?? ""} ${url.href}`;
    const known = isGet ? kept.get(key) : undefined;
    const etag = known?.headers.get("etag");
    if (etag != null) headers.set("if-none-match", etag);
    const late = AbortSignal.timeout(TIMEOUT_MS);
    try {
      for (let redirects = 0; ; redirects += 1) {
        check(url);
        const answer = await send(url, { ...init, headers }, late);
        const target = answer.headers.get("location");
        const isRedirect =
          init.redirect !== "manual" &&
          [301, 302, 307, 308].includes(answer.status) &&
          target !== null;
        if (isRedirect && isGet && redirects < MAX_REDIRECTS) {
          url = new URL(target, url);
          continue;
        }
        if (answer.status === 304 && known) return responseOf(known, url);
        if (isGet) keep(kept, key, answer);
        return responseOf(answer, url);
      }
    } catch (error) {
      if (error instanceof ForgeError) throw error;
      if (late.aborted) {
        throw new ForgeError(
          "unreachable",
          `The forge did not answer within ${TIMEOUT_MS / 1000} seconds.`,
        );
      }
      const { code, message } = error as NodeJS.ErrnoException;
      throw new ForgeError(
        "unreachable",
        `The forge was not reached: ${(code ?? message).slice(0, 200)}.`,
      );
    }
  };
}

async function readAnswer(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) {
      response.destroy();
      throw new ForgeError("unreachable", "The answer of the forge is too large.");
    }
    chunks.push(chunk);
  }
  const headers = new Headers();
  for (const [name, value] of Object.entries(response.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(", ") : value);
  }
  return { status: response.statusCode ?? 0, headers, body: Buffer.concat(chunks) };
}

function keep(kept: Map<string, Answer>, key: string, answer: Answer): void {
  kept.delete(key);
  if (answer.status !== 200 || !answer.headers.has("etag")) return;
  if (answer.body.length > MAX_KEPT_BYTES) return;
  kept.set(key, answer);
  const [oldest] = kept.keys();
  if (kept.size > MAX_KEPT_ANSWERS && oldest !== undefined) kept.delete(oldest);
}

function responseOf({ status, headers, body }: Answer, url: URL): Response {
  const isEmpty = status === 204 || status === 205 || status === 304;
  if (status < 200 || status > 599) {
    throw new ForgeError("unreachable", `The forge answered with status ${status}.`);
  }
  const response = new Response(isEmpty ? null : new Uint8Array(body), { status, headers });
  // GitHub's client reads it to find the next page.
  return Object.defineProperty(response, "url", { value: url.href });
}

/** Makes failed answers errors, for clients that do not tell them apart. @throws ForgeError */
export function throwingFetch(fetch: ForgeFetch): ForgeFetch {
  return async (input, init) => {
    const response = await fetch(input, init);
    if (response.status < 400) return response;
    const text = await response.text();
    throw errorOfAnswer(response.status, Object.fromEntries(response.headers), reasonIn(text));
  };
}

/** Returns the message in the body of a failed answer. */
function reasonIn(text: string): string {
  try {
    const { message, error } = JSON.parse(text) as { message?: unknown; error?: unknown };
    const said = message ?? error;
    return typeof said === "string" ? said : JSON.stringify(said ?? "");
  } catch {
    return "";
  }
}
