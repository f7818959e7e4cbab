/** The HTTP server of the proxies for runs with a restricted network. */
import { createServer, STATUS_CODES, type IncomingMessage, type Server } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { ENDED, EgressError } from "./egress-error.js";
import { forward, joinSockets, upgrade } from "./forward-request.js";
import type { RunConnections } from "./run-connections.js";
import { authorityOf, targetOf, type Target } from "./target.js";

/** Milliseconds for the client to read an answer without a response object, which ends the connection. */
const ANSWER_MS = 5000;
const MAX_LISTENERS = 30;

export interface ProxyServer {
  /** Not listening yet. */
  server: Server;
  /**
   * Stops listening, and ends the connections of all clients.
   * @param graceMs time for those under way to end on their own
   */
  close: (graceMs?: number) => Promise<void>;
}

/**
 * Creates the server. It answers plain HTTP requests by absolute URL, upgrades of them, and `CONNECT`.
 * @param findRun returns the connections of the run that sent a request; its EgressError is the answer
 */
export function createProxyServer({
  findRun,
  headersMs,
}: {
  findRun: (request: IncomingMessage, inner: Duplex) => RunConnections | Promise<RunConnections>;
  /** Milliseconds for the headers of a request. */
  headersMs: number;
}): ProxyServer {
  const sockets = new Set<Duplex>();
  const serve = async (
    request: IncomingMessage,
    inner: Duplex,
    find: () => Target,
    use: (outer: Socket, target: Target) => Promise<void>,
  ): Promise<void> => {
    const run = await findRun(request, inner);
    await run.connect(find, inner, use);
  };

  const server = createServer({
    maxHeaderSize: 64 * 1024,
    headersTimeout: headersMs,
    connectionsCheckingInterval: headersMs / 2,
    // A body may take any time; an idle connection ends.
    requestTimeout: 0,
  });
  // One request per connection: more would be served at the same time.
  server.maxRequestsPerSocket = 1;
  server.on("error", () => undefined);
  server.on("connection", (socket) => {
    sockets.add(socket);
    // A tunnel, its limits and its pipes listen to the same few events.
    socket.setMaxListeners(MAX_LISTENERS);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
  });
  server.on("clientError", (_error, socket) => void socket.destroy());
  server.on("request", (request, response) => {
    serve(
      request,
      request.socket,
      () => targetOf(request),
      (outer, target) => forward(request, response, target, outer),
    ).catch((error: unknown) => {
      if (response.headersSent) return void response.destroy();
      const { status, headers, text } = answerTo(error);
      // The connection may hold an unread body.
      response.writeHead(status, { ...headers, connection: "close" });
      response.end(text);
    });
  });
  server.on("connect", (request, inner, head) => {
    serve(
      request,
      inner,
      () => authorityOf(request.url ?? ""),
      async (outer) => {
        inner.write("HTTP/1.1 200 Connection established\r\n\r\n");
        outer.write(head);
        await joinSockets(inner, outer);
      },
    ).catch(failOn(inner));
  });
  server.on("upgrade", (request, inner, head) => {
    serve(
      request,
      inner,
      () => targetOf(request),
      (outer, target) => upgrade(request, inner, head, target, outer),
    ).catch(failOn(inner));
  });
  return {
    server,
    close: async (graceMs = 0) => {
      const closed = new Promise((resolved) => server.close(resolved));
      if (graceMs > 0) await Promise.race([closed, pause(graceMs, undefined, { ref: false })]);
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function answerTo(error: unknown): {
  status: number;
  headers: Record<string, string>;
  text: string;
} {
  const { status, message } = error instanceof EgressError ? error : new EgressError(ENDED, 502);
  const headers = {
    "content-type": "text/plain",
    ...(status === 407 && { "proxy-authenticate": 'Basic realm="Omoi"' }),
  };
  return { status, headers, text: `egress: ${message}\n` };
}

/** Answers an error on a connection without a response object. */
function failOn(inner: Duplex): (error: unknown) => void {
  return (error) => {
    const { status, headers, text } = answerTo(error);
    const length = Buffer.byteLength(text);
    const lines = Object.entries({ ...headers, "content-length": length, connection: "close" });
    const head = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      ...lines.map((line) => line.join(": ")),
    ];
    inner.end(`${head.join("\r\n")}\r\n\r\n${text}`);
    // Its end is noticed only if it is read.
    inner.resume();
    const late = setTimeout(() => inner.destroy(), ANSWER_MS);
    inner.once("close", () => clearTimeout(late));
  };
}
