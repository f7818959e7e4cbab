/** The server as a run in an isolated network reaches it: a local port that passes requests on. */
import { once } from "node:events";
import { Agent, createServer, request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { Agent as TlsAgent, request as httpsRequest } from "node:https";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream";
import type { Callback } from "#execution/execute-run.js";
import { HOP_BY_HOP } from "#shared/node/hop-by-hop.js";

/** Paths that a run may call: the API, models, git and MCP. */
const SERVED = /^\/(?:api|models|git|mcp)(?:\/|$)/;

/** Requests of one run to the server at once, and its connections: one run must not exhaust the others'. */
const MAX_REQUESTS = 32;
const MAX_CONNECTIONS = 128;

/** Opens a port for one run. The run sends its own token. */
export async function openCallbackProxy(serverUrl: string): Promise<Callback> {
  const server = new URL(serverUrl);
  const isTls = server.protocol === "https:";
  // No connection carries requests of two runs, nor two requests of one.
  const options = { keepAlive: false, maxSockets: MAX_REQUESTS };
  const agent = isTls ? new TlsAgent(options) : new Agent(options);
  const proxy = createServer((incoming, outgoing) => {
    const refuse = (status: number, detail: string): void => {
      if (outgoing.headersSent) return void outgoing.destroy();
      outgoing.writeHead(status, {
        "content-type": "text/plain; charset=utf-8",
        connection: "close",
      });
      outgoing.end(`${detail}\n`);
    };
    const address = addressOf(incoming.url ?? "", server);
    if (address === null) {
      return refuse(404, "A run reaches /api, /models, /git and /mcp of the server.");
    }
    const isChunked = incoming.headers["transfer-encoding"] !== undefined;
    const upstream = (isTls ? httpsRequest : httpRequest)(
      address,
      {
        method: incoming.method,
        agent,
        headers: {
          ...endToEnd(incoming.headers),
          host: server.host,
          // Otherwise the body of a GET would be sent without a frame, as further requests.
          ...(isChunked && { "transfer-encoding": "chunked" }),
        },
      },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, endToEnd(answer.headers));
        pipeline(answer, outgoing, () => undefined);
      },
    );
    upstream.on("error", () => refuse(502, "The server cannot be reached; try again."));
    outgoing.on("close", () => upstream.destroy());
    pipeline(incoming, upstream, () => undefined);
  });
  proxy.maxConnections = MAX_CONNECTIONS;
  proxy.on("clientError", (_error, socket) => socket.destroy());
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  return {
    port: (proxy.address() as AddressInfo).port,
    close: () => {
      proxy.close();
      proxy.closeAllConnections();
      agent.destroy();
    },
  };
}

/** Returns the address of a request at the server; null unless it is one that a run may reach. */
function addressOf(url: string, server: URL): URL | null {
  // A URL with a host, or one that is read differently by others.
  if (!url.startsWith("/") || url.startsWith("//") || /[\\\u0000-\u0020]/.test(url)) return null;
  if (!URL.canParse(url, server.href)) return null;
  const address = new URL(url, server);
  const path = decoded(address.pathname);
  const isPlain = address.origin === server.origin && !/(?:^|\/)\.\.?(?:\/|$)/.test(path);
  return isPlain && !path.includes("\\") && SERVED.test(address.pathname) ? address : null;
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return "/..";
  }
}

/** Returns the headers without those of the connection, also those that it names. */
function endToEnd(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const named = new Set((headers.connection ?? "").toLowerCase().split(/[\s,]+/));
  // The length frames the body, whatever the client calls it.
  for (const kept of ["content-length", "host"]) named.delete(kept);
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !HOP_BY_HOP.has(name) && !named.has(name)),
  );
}
