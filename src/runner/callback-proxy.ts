/** The server as a run in an isolated network reaches it: a local port that passes requests on. */
import { once } from "node:events";
import { createServer, request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { request as httpsRequest } from "node:https";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream";
import type { Callback } from "#execution/execute-run.js";

/** What a run calls: the API, models, git and MCP. */
const SERVED = /^\/(?:api|models|git|mcp)(?:\/|\?|$)/;

/** Headers of one connection (RFC 9110, section 7.6.1). */
const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Opens a port for one run. The run sends its own token. */
export async function openCallbackProxy(serverUrl: string): Promise<Callback> {
  const server = new URL(serverUrl);
  const send = server.protocol === "https:" ? httpsRequest : httpRequest;
  const proxy = createServer((incoming, outgoing) => {
    const refuse = (status: number, detail: string): void => {
      if (outgoing.headersSent) return void outgoing.destroy();
      outgoing.writeHead(status, { "content-type": "text/plain; charset=utf-8" });
      outgoing.end(`${detail}\n`);
    };
    // A URL with an origin, or with a path that leads elsewhere, is not passed on.
    const { url = "" } = incoming;
    if (!SERVED.test(url) || /(?:^|\/)\.\.?(?:\/|\?|$)/.test(decoded(url))) {
      return refuse(404, "A run reaches /api, /models, /git and /mcp of the server.");
    }
    const upstream = send(
      new URL(url, server),
      {
        method: incoming.method,
        headers: { ...endToEnd(incoming.headers), host: server.host },
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
  proxy.on("clientError", (_error, socket) => socket.destroy());
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  return {
    port: (proxy.address() as AddressInfo).port,
    close: () => {
      proxy.close();
      proxy.closeAllConnections();
    },
  };
}

function decoded(url: string): string {
  try {
    return decodeURIComponent(url);
  } catch {
    return "/..";
  }
}

/** Returns the headers without those of the connection, also those that it names. */
function endToEnd(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const named = (headers.connection ?? "")
    .split(",")
    .map((name) => name.trim().toLowerCase())
    // The length frames the body, whatever the client calls it.
    .filter((name) => name !== "content-length" && name !== "host");
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !HOP_BY_HOP.has(name) && !named.includes(name)),
  );
}
