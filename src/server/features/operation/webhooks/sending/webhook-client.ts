/** Requests to the receivers of webhooks. */
import { Agent as HttpAgent, request as requestHttp, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import type { LookupFunction } from "node:net";
import { addressRule, checkedLookup, literalRefusal } from "#shared/node/checked-lookup.js";
import { fairSlots } from "#shared/node/fair-slots.js";

/** A result of an attempt. */
export interface Attempt {
  /** Null without a response. */
  status: number | null;
  /** The first bytes of the response as text; null without any. */
  body: string | null;
  /** Why it is no success, as a sentence; null for a success. */
  error: string | null;
  /** How long the receiver asks to wait before the next attempt. */
  retryAfterSeconds: number | null;
}

export interface WebhookRequest {
  url: URL;
  headers: Record<string, string>;
  body: string;
  /** The organization, for the fairness of look-ups. */
  owner: string;
  /** Aborts the attempt when the server stops. */
  signal: AbortSignal;
}

export interface WebhookClient {
  /** Sends a POST. It throws only the abort reason of `signal`. */
  send(request: WebhookRequest): Promise<Attempt>;
  close(): void;
}

/** Maximum time of an attempt until the response's head has arrived. */
const TIMEOUT_MS = 10_000;
/** Maximum time for the part of a response's body that is kept. */
const BODY_TIMEOUT_MS = 1000;
const MAX_BODY_BYTES = 1024;
/** Connections are kept for the next delivery. */
const KEPT_MS = 4000;
/**
 * Look-ups at the same time. Each occupies a thread that file operations use as well; a hanging name server
 * must not take them all.
 */
const LOOKUPS = { slots: 2, perOwner: 1 };

export function createWebhookClient(allowsPrivate: boolean): WebhookClient {
  const refusalOf = addressRule(allowsPrivate);
  const checked = checkedLookup(refusalOf, (sentence) => new RefusedError(sentence));
  const lookups = fairSlots(LOOKUPS);
  const options = { keepAlive: true, timeout: KEPT_MS, maxFreeSockets: 16 };
  const agents = { "http:": new HttpAgent(options), "https:": new HttpsAgent(options) };

  const lookupFor =
    (owner: string): LookupFunction =>
    (host, lookupOptions, done) => {
      const look = async (): Promise<void> => {
        const free = await lookups.take(owner);
        checked(host, lookupOptions, (...answer) => {
          free();
          done(...answer);
        });
      };
      void look();
    };

  const responseOf = (
    { url, headers, body, owner }: WebhookRequest,
    signal: AbortSignal,
    isRepeated: boolean,
  ): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const send = url.protocol === "https:" ? requestHttps : requestHttp;
      const agent = url.protocol === "https:" ? agents["https:"] : agents["http:"];
      const lookup = lookupFor(owner);
      const outgoing = send(url, { method: "POST", headers, agent, lookup, signal });
      outgoing.once("response", resolve);
      outgoing.once("error", (error: NodeJS.ErrnoException) => {
        if (outgoing.reusedSocket && !isRepeated && error.code === "ECONNRESET") {
          resolve(responseOf({ url, headers, body, owner, signal }, signal, true));
        } else reject(error);
      });
      // Some ends have no other event, such as a change to another protocol.
      outgoing.once("close", () => reject(new Error("no answer")));
      outgoing.end(body);
    });

  return {
    send: async (request) => {
      const { url, signal } = request;
      const late = AbortSignal.timeout(TIMEOUT_MS);
      try {
        if (url.protocol !== "https:" && !allowsPrivate) {
          return failure("The address of the webhook must begin with https://.");
        }
        const refused = literalRefusal(url, refusalOf);
        if (refused !== null) return failure(`The address of the webhook ${refused}.`);
        const response = await responseOf(request, AbortSignal.any([signal, late]), false);
        return {
          status: response.statusCode ?? null,
          body: await beginningOf(response),
          error: problemOf(response),
          retryAfterSeconds: retryAfterOf(response),
        };
      } catch (error) {
        signal.throwIfAborted();
        if (late.aborted) {
          return failure(`The receiver did not answer within ${TIMEOUT_MS / 1000} seconds.`);
        }
        if (error instanceof RefusedError) return failure(error.message);
        const { code, message } = error as NodeJS.ErrnoException;
        return failure(`The receiver was not reached: ${(code ?? message).slice(0, 200)}.`);
      }
    },
    close: () => {
      agents["http:"].destroy();
      agents["https:"].destroy();
    },
  };
}

/** An address that webhooks must not have. */
class RefusedError extends Error {
  override readonly name = "RefusedError";
}

function failure(error: string): Attempt {
  return { status: null, body: null, error, retryAfterSeconds: null };
}

function problemOf({ statusCode = 0 }: IncomingMessage): string | null {
  if (statusCode >= 200 && statusCode < 300) return null;
  if (statusCode >= 300 && statusCode < 400) {
    return `The receiver answered with a redirect (${statusCode}), which is not followed.`;
  }
  return `The receiver answered with status ${statusCode}.`;
}

function retryAfterOf({ headers }: IncomingMessage): number | null {
  const text = headers["retry-after"] ?? "";
  return /^\d{1,6}$/.test(text) ? Number(text) : null;
}

/**
 * Reads the beginning of a response. A longer or slower one is cut off with its connection: its status has
 * decided already.
 */
async function beginningOf(response: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  const late = setTimeout(() => response.destroy(), BODY_TIMEOUT_MS);
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk.subarray(0, MAX_BODY_BYTES - size));
      size += chunk.length;
      if (size > MAX_BODY_BYTES) break;
    }
  } catch {
    // The beginning is enough.
  } finally {
    clearTimeout(late);
  }
  const text = Buffer.concat(chunks)
    .toString("utf8")
    // PostgreSQL stores no NUL.
    .replaceAll("\u0000", "\ufffd");
  return text === "" ? null : text;
}
