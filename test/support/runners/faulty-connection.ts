import { once } from "node:events";
import { createServer, request, type Server } from "node:http";
import { buffer } from "node:stream/consumers";
import type { AddressInfo } from "node:net";

/** A connection to a server that a test breaks, delays, or whose answers it changes. */
export interface FaultyConnection {
  url: string;
  /** The address of the server; requests are refused while it is null. */
  target: string | null;
  /** Returns what happens to a request; by default all pass. */
  fault: (path: string) => "pass" | "cut request" | "cut answer";
  /** Returns another status of an answer; null for that of the server. */
  statusOf: (path: string) => number | null;
  /** Changes the JSON of an answer. */
  change: (path: string, answer: unknown) => unknown;
  close(): Promise<void>;
}

export async function faultyConnection(target: string): Promise<FaultyConnection> {
  const connection: FaultyConnection = {
    url: "",
    target,
    fault: () => "pass",
    statusOf: () => null,
    change: (_path, answer) => answer,
    close: () => close(server),
  };
  const server = createServer((incoming, outgoing) => {
    const { url: path = "/" } = incoming;
    const fault = connection.fault(path);
    const cut = (): void => void outgoing.socket?.destroy();
    if (connection.target === null || fault === "cut request") return cut();
    const sent = request(
      new URL(path, connection.target),
      { method: incoming.method, headers: { ...incoming.headers, "accept-encoding": "identity" } },
      (answer) => {
        buffer(answer).then((body) => {
          if (fault === "cut answer") return cut();
          const status = connection.statusOf(path) ?? answer.statusCode ?? 502;
          const isJson = answer.headers["content-type"]?.includes("json") === true;
          const text = isJson
            ? Buffer.from(JSON.stringify(connection.change(path, JSON.parse(body.toString()))))
            : body;
          const {
            "content-length": _length,
            "transfer-encoding": _coding,
            ...headers
          } = answer.headers;
          outgoing.writeHead(status, headers);
          outgoing.end(text);
        }, cut);
      },
    );
    sent.on("error", cut);
    outgoing.on("close", () => sent.destroy());
    incoming.on("error", () => sent.destroy());
    incoming.pipe(sent);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  connection.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return connection;
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  server.close();
  await once(server, "close");
}
