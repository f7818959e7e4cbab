/**
 * A simulated Docker engine: the part of the Engine API used for runs, with scripted containers.
 * Nothing runs: docker-engines.test.ts tests real engines, this simulates failures.
 */
import { stat } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { json } from "node:stream/consumers";

interface FakeContainer {
  id: string;
  created: Record<string, unknown>;
  socket: Duplex | null;
  end(code: number): void;
  /** What waits for its end. */
  ended: Promise<number>;
  oomKilled: boolean;
  removed: boolean;
  signals: string[];
}

export interface FakeEngine {
  socket: string;
  containers: FakeContainer[];
  /** The behavior of a started container; a returned string refuses the start with it. */
  behaviour: (container: FakeContainer) => string | undefined | void;
  /** The folder mounted at /workspace instead of the requested one; null for none. */
  seen: string | null;
  /** The usage report of a container. */
  stats: Record<string, unknown>;
  /** `/info`; null answers 500. */
  info: Record<string, unknown>;
  /** Additional containers in the list. */
  others: { Id: string; Labels: Record<string, string> }[];
  requests: string[];
  close(): Promise<void>;
}

/** Encodes one frame of an attached stream. */
export function frame(stream: 1 | 2, text: string): Buffer {
  const body = Buffer.from(text);
  const head = Buffer.from([stream, 0, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32BE(body.length, 4);
  return Buffer.concat([head, body]);
}

export async function startFakeEngine(socket: string): Promise<FakeEngine> {
  const engine: FakeEngine = {
    socket,
    containers: [],
    behaviour: (container) => container.end(0),
    seen: null,
    stats: { cpu_stats: { cpu_usage: { total_usage: 0 } }, memory_stats: {} },
    info: {
      MemoryLimit: true,
      PidsLimit: true,
      CpuCfsQuota: true,
      SecurityOptions: ["name=seccomp,profile=builtin"],
    },
    others: [],
    requests: [],
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
  const find = (id: string | undefined): FakeContainer | undefined =>
    engine.containers.find((container) => container.id === id && !container.removed);
  const server: Server = createServer((request, response) => {
    void answer(request, response);
  });
  server.on("upgrade", (request: IncomingMessage, connection: Duplex) => {
    engine.requests.push(`${request.method} ${request.url}`);
    const container = find(/\/containers\/(\w+)\/attach/.exec(request.url ?? "")?.[1]);
    connection.write(
      "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
    );
    if (container) container.socket = connection;
  });

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = request.url ?? "";
    engine.requests.push(`${request.method} ${url}`);
    const send = (status: number, body?: unknown): void => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(body === undefined ? undefined : JSON.stringify(body));
    };
    const [, id, action] = /\/containers\/(\w+)(?:\/(\w+))?/.exec(url) ?? [];
    if (url.endsWith("/info")) return send(200, engine.info);
    if (url.includes("/images/")) {
      return url.includes("missing")
        ? send(404, { message: "No such image: missing" })
        : send(200, { Id: "sha256:0" });
    }
    if (id === "json") {
      const own = engine.containers.map(({ id: Id, created }) => ({
        Id,
        Labels: created["Labels"],
      }));
      return send(200, [...own, ...engine.others]);
    }
    if (id === "create") {
      const created = (await json(request)) as Record<string, unknown>;
      let end: (code: number) => void = () => undefined;
      const ended = new Promise<number>((resolve) => {
        end = resolve;
      });
      const container: FakeContainer = {
        id: `c${engine.containers.length}`,
        created,
        socket: null,
        end: (code) => {
          container.socket?.end();
          end(code);
        },
        ended,
        oomKilled: false,
        removed: false,
        signals: [],
      };
      engine.containers.push(container);
      return send(201, { Id: container.id, Warnings: [] });
    }
    const other = engine.others.find(({ Id }) => Id === id);
    if (other && request.method === "DELETE") {
      engine.others = engine.others.filter(({ Id }) => Id !== id);
      return send(204);
    }
    const container = find(id);
    if (!container) return send(404, { message: `No such container: ${id}` });
    if (action === "archive") {
      const { Mounts } = container.created["HostConfig"] as { Mounts: { Source: string }[] };
      const { mtime } = await stat(engine.seen ?? (Mounts[0]?.Source as string));
      const pathStat = Buffer.from(JSON.stringify({ mtime })).toString("base64");
      response.writeHead(200, { "x-docker-container-path-stat": pathStat });
      response.end();
      return;
    }
    if (action === "stats") return send(200, engine.stats);
    if (request.method === "DELETE") {
      container.removed = true;
      container.end(137);
      return send(204);
    }
    if (action === "wait") {
      response.writeHead(200, { "content-type": "application/json" });
      response.flushHeaders();
      response.end(JSON.stringify({ StatusCode: await container.ended }));
      return;
    }
    if (action === "json") {
      return send(200, { State: { Pid: 4711, OOMKilled: container.oomKilled } });
    }
    if (action === "kill") {
      const signal = new URL(url, "http://docker").searchParams.get("signal") ?? "SIGKILL";
      container.signals.push(signal);
      if (signal === "SIGKILL") container.end(137);
      return send(204);
    }
    const refused = engine.behaviour(container);
    return typeof refused === "string" ? send(400, { message: refused }) : send(204);
  };
  await new Promise<void>((resolve) => {
    server.listen(socket, resolve);
  });
  return engine;
}
