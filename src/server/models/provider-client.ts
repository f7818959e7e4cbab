/** Requests to model providers. */
import { lookup } from "node:dns";
import { Agent as HttpAgent, request as requestHttp, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import { pipeline, type Readable } from "node:stream";
import { refusedAddress } from "#shared/node/refused-address.js";

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
}

export interface ProviderClient {
  /**
   * Sends a request. Redirects are not followed.
   * @throws ProviderError when it is not answered; an error of `body`
   */
  send(request: ProviderRequest): Promise<IncomingMessage>;
  close(): void;
}

interface ClientOptions {
  /** Whether providers may have addresses that are not public. */
  allowsPrivate: boolean;
  /** Maximum time without a byte, in milliseconds. */
  idleMs: number;
}

/** Connections that are kept for the next request: shorter than the providers keep them. */
const KEPT_MS = 4000;

export function createProviderClient({ allowsPrivate, idleMs }: ClientOptions): ProviderClient {
  const options = {
    keepAlive: true,
    timeout: KEPT_MS,
    lookup: allowsPrivate ? lookup : lookupPublic,
  };
  const agents = { "http:": new HttpAgent(options), "https:": new HttpsAgent(options) };
  return {
    send: ({ url, method, headers, body }) =>
      new Promise((resolve, reject) => {
        const literal = url.hostname.replaceAll(/[[\]]/g, "");
        const refused = allowsPrivate || isIP(literal) === 0 ? null : refusedAddress(literal);
        if (refused !== null) {
          reject(new ProviderError(`The address of the provider ${refused}.`));
          return;
        }
        const [send, agent] =
          url.protocol === "https:"
            ? ([requestHttps, agents["https:"]] as const)
            : ([requestHttp, agents["http:"]] as const);
        const outgoing = send(url, { method, headers, agent, timeout: idleMs });
        outgoing.once("timeout", () => {
          const seconds = idleMs / 1000;
          outgoing.destroy(
            new ProviderError(`The provider did not answer for ${seconds} seconds.`, true),
          );
        });
        outgoing.once("response", resolve);
        outgoing.once("error", (error: NodeJS.ErrnoException) => {
          const isOwn = error instanceof ProviderError;
          const reason = error.code ?? error.message;
          reject(isOwn ? error : new ProviderError(`The provider was not reached: ${reason}.`));
        });
        if (body === null || Buffer.isBuffer(body)) outgoing.end(body ?? undefined);
        else {
          pipeline(body, outgoing, (error) => {
            if (error) reject(error);
          });
        }
      }),
    close: () => {
      agents["http:"].destroy();
      agents["https:"].destroy();
    },
  };
}

/** Resolves a name to addresses of which none is private, nor one of this machine. */
const lookupPublic: LookupFunction = (host, options, done) => {
  lookup(host, { ...options, all: true }, (error, found) => {
    if (error) {
      done(error, []);
      return;
    }
    const refused = found.map(({ address }) => refusedAddress(address)).find((why) => why !== null);
    if (refused !== undefined && refused !== null) {
      done(new ProviderError(`${host} ${refused}.`), []);
      return;
    }
    if (options.all) done(null, found);
    else done(null, found[0]?.address ?? "", found[0]?.family ?? 4);
  });
};
