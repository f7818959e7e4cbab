/** Requests to model providers. */
import { Agent as HttpAgent, request as requestHttp, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import { pipeline, type Readable } from "node:stream";
import { addressRule, checkedLookup, literalRefusal } from "#shared/node/checked-lookup.js";

/** Why a provider was not reached, as a sentence. */
export class ProviderError extends Error {
  override readonly name = "ProviderError";
  /** Whether it took too long. */
  readonly isTimeout: boolean;
  constructor(message: string, isTimeout = false) {
    super(message);
    this.isTimeout = isTimeout;
  }
}

export interface ProviderRequest {
  url: URL;
  method: string;
  headers: Record<string, string | string[]>;
  body: Readable | Buffer | null;
  /** Ends the request, also while its answer is read. */
  signal: AbortSignal;
}

export interface ProviderClient {
  /**
   * Sends a request. Redirects are not followed. A request with a whole body is repeated once if its kept
   * connection had been closed.
   * @throws ProviderError when it is not answered; an error of `body`
   */
  send(request: ProviderRequest): Promise<IncomingMessage>;
  close(): void;
}

interface ClientOptions {
  /** Whether providers may have addresses that are not public, and unencrypted connections. */
  allowsPrivate: boolean;
  /** Maximum time without a byte, in milliseconds. */
  idleMs: number;
}

/** Connections that are kept for the next request: shorter than the providers keep them. */
const KEPT_MS = 4000;

export function createProviderClient({ allowsPrivate, idleMs }: ClientOptions): ProviderClient {
  const refusalOf = addressRule(allowsPrivate);
  const lookup = checkedLookup(refusalOf, (sentence) => new ProviderError(sentence));
  const options = { keepAlive: true, timeout: KEPT_MS, lookup };
  const agents = { "http:": new HttpAgent(options), "https:": new HttpsAgent(options) };

  const sendOnce = (request: ProviderRequest, isRepeated: boolean): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const { url, method, headers, body, signal } = request;
      const [send, agent] =
        url.protocol === "https:"
          ? ([requestHttps, agents["https:"]] as const)
          : ([requestHttp, agents["http:"]] as const);
      const outgoing = send(url, { method, headers, agent, timeout: idleMs, signal });
      outgoing.once("timeout", () => {
        const seconds = idleMs / 1000;
        const late = `The provider did not answer for ${seconds} seconds.`;
        outgoing.destroy(new ProviderError(late, true));
      });
      outgoing.once("response", resolve);
      outgoing.once("error", (error: NodeJS.ErrnoException) => {
        const mayRepeat = !(body !== null && !Buffer.isBuffer(body)) && !isRepeated;
        if (outgoing.reusedSocket && mayRepeat && error.code === "ECONNRESET") {
          resolve(sendOnce(request, true));
          return;
        }
        const isOwn = error instanceof ProviderError;
        const reason = error.code ?? error.message;
        reject(isOwn ? error : new ProviderError(`The provider was not reached: ${reason}.`));
      });
      // Some ends have no other event, such as a change to another protocol.
      outgoing.once("close", () => reject(new ProviderError("The provider did not answer.")));
      if (body === null || Buffer.isBuffer(body)) outgoing.end(body ?? undefined);
      else {
        pipeline(body, outgoing, (error) => {
          if (error) reject(error);
        });
      }
    });

  return {
    send: async (request) => {
      const { url } = request;
      if (url.protocol !== "https:" && !allowsPrivate) {
        throw new ProviderError("The address of the provider must begin with https://.");
      }
      const refused = literalRefusal(url, refusalOf);
      if (refused !== null) throw new ProviderError(`The address of the provider ${refused}.`);
      return sendOnce(request, false);
    },
    close: () => {
      agents["http:"].destroy();
      agents["https:"].destroy();
    },
  };
}
