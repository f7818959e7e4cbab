import { Agent as HttpAgent, request as requestHttp, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import type { Readable } from "node:stream";

/** A request to another node. */
export interface NodeRequest {
  /** Address of the node. */
  origin: string;
  method: string;
  /** Path and query. */
  path: string;
  /** Names and values in turn. */
  headers: readonly string[];
  /** Sent as it arrives; null without a body. */
  body: Readable | null;
}

/** No byte of the request was sent: another node may get it. */
export class NotSentError extends Error {
  override readonly name = "NotSentError";
}
/** The node closed the connection before it answered: the request may have been executed. */
export class NoAnswerError extends Error {
  override readonly name = "NoAnswerError";
}

/** A request under way. */
export interface SentRequest {
  /** Rejects with NotSentError or NoAnswerError. */
  readonly answer: Promise<IncomingMessage>;
  /** Closes the connection of the request, or of its answer. */
  abort(): void;
}

export interface NodeClient {
  send(request: NodeRequest): SentRequest;
  close(): void;
}

/** Time to connect: nodes are close to each other. */
const CONNECT_MS = 3000;
/** Time for which an idle connection is kept, shorter than the nodes keep it. */
const KEPT_MS = 30_000;

/**
 * Sends requests over kept connections. Bodies and answers are streams without a time limit: an answer may be the log
 * of a run. A request without a body that changes nothing is repeated once if its kept connection had been closed;
 * others never are.
 */
export function createNodeClient(): NodeClient {
  const options = { keepAlive: true, timeout: KEPT_MS, scheduling: "lifo", noDelay: true } as const;
  const agents = { "http:": new HttpAgent(options), "https:": new HttpsAgent(options) };

  const send = (request: NodeRequest, isRepeated: boolean): SentRequest => {
    const { method, path, headers, body } = request;
    const { protocol, hostname, port } = new URL(request.origin);
    const isTls = protocol === "https:";
    const outgoing = (isTls ? requestHttps : requestHttp)({
      hostname: hostname.replace(/^\[|\]$/g, ""),
      ...(port !== "" && { port }),
      method,
      path,
      headers: [...headers],
      // A fresh connection, which is not kept, for the repetition.
      agent: isRepeated ? false : isTls ? agents["https:"] : agents["http:"],
      setHost: false,
    });
    let abort = (): void => {
      outgoing.destroy();
    };
    let isConnected = false;
    const late = setTimeout(() => outgoing.destroy(), CONNECT_MS);
    outgoing.once("socket", (socket) => {
      const connected = (): void => {
        isConnected = true;
        clearTimeout(late);
        // The headers are sent with the first byte of the body, so that none leaves before.
        if (body === null) outgoing.end();
        else body.pipe(outgoing);
      };
      if (outgoing.reusedSocket) connected();
      else socket.once(isTls ? "secureConnect" : "connect", connected);
    });
    const answer = new Promise<IncomingMessage>((resolve, reject) => {
      outgoing.once("response", resolve);
      // Later errors are those of the answer, which reports them itself.
      outgoing.on("error", (error: NodeJS.ErrnoException) => {
        body?.unpipe(outgoing);
        if (!isConnected) {
          reject(new NotSentError(error.code ?? error.message));
          return;
        }
        const mayRepeat = body === null && (method === "GET" || method === "HEAD") && !isRepeated;
        if (outgoing.reusedSocket && mayRepeat && error.code === "ECONNRESET") {
          const repeated = send(request, true);
          abort = () => repeated.abort();
          resolve(repeated.answer);
          return;
        }
        reject(new NoAnswerError(error.code ?? error.message));
      });
      outgoing.once("close", () => {
        clearTimeout(late);
        reject(
          isConnected
            ? new NoAnswerError("the connection was closed")
            : new NotSentError("the node cannot be reached"),
        );
      });
    });
    return { answer, abort: () => abort() };
  };

  return {
    send: (request) => send(request, false),
    close: () => {
      agents["http:"].destroy();
      agents["https:"].destroy();
    },
  };
}
