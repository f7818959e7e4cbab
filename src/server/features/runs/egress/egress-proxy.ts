/** The HTTP proxy of one run with a restricted network: its only way out. */
import { Resolver } from "node:dns/promises";
import { once } from "node:events";
import {
  createServer,
  request as openRequest,
  STATUS_CODES,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { isAllowedHost, type AllowedHost } from "#shared/egress.js";
import { refusedAddress } from "./refused-address.js";

/** A connection that a run asked for. */
export interface EgressConnection {
  host: string;
  port: number;
  /** Why it was denied, as a sentence; null for an allowed connection. */
  denied: string | null;
  at: Date;
  bytesSent: number;
  bytesReceived: number;
}

export interface EgressProxy {
  /** On the host's 127.0.0.1. */
  port: number;
  /** Also closes open connections. */
  close(): Promise<void>;
}

interface EgressOptions {
  allowed: readonly AllowedHost[];
  /** Called once for each connection: denied, failed or ended. */
  onConnection: (connection: EgressConnection) => void;
  /** Resolves a name to all of its addresses. */
  resolve?: (host: string) => Promise<string[]>;
  /** Returns why an address is refused, or null. */
  refuse?: (address: string) => string | null;
}

/** Connections of one run at a time. */
const MAX_CONNECTIONS = 256;
const CONNECT_MS = 15_000;
/** Milliseconds without a byte in either direction. */
const IDLE_MS = 10 * 60_000;
const HEADERS_MS = 60_000;

/** Headers of one connection only (RFC 9110, section 7.6.1), and those for the proxy itself. */
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

/** Where a request goes. */
interface Target {
  host: string;
  port: number;
  /** With the query; empty for a tunnel. */
  path: string;
}

/** A connection that is not made, with the status of the response. */
class Refusal extends Error {
  readonly status: number;
  /** For a request without a readable target. */
  readonly target: Target | undefined;

  constructor(message: string, status = 403, target?: Target) {
    super(message);
    this.status = status;
    this.target = target;
  }
}

function answerTo(error: unknown): { status: number; text: string } {
  const { status, message } =
    error instanceof Refusal ? error : new Refusal("the host ended the connection", 502);
  return { status, text: `egress: ${message}\n` };
}

/** Milliseconds per attempt. */
const RESOLVE_MS = 3000;

/**
 * Returns a function that resolves names by DNS. The system's own look-up would occupy the threads of
 * the whole server while a name server does not answer.
 */
function dnsResolver(): (host: string) => Promise<string[]> {
  const resolver = new Resolver({ timeout: RESOLVE_MS, tries: 2 });
  return async (host) => {
    // Names of this machine (RFC 6761), which no name server has to know.
    if (/(?:^|\.)localhost$/.test(host.toLowerCase())) return ["127.0.0.1"];
    const found = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
    const addresses = found.flatMap((one) => (one.status === "fulfilled" ? one.value : []));
    if (addresses.length === 0) throw new Error(`${host} has no address`);
    return addresses;
  };
}

/**
 * Opens the proxy. It answers plain HTTP requests by absolute URL, upgrades of them, and `CONNECT`; a
 * connection goes to an address that was checked, so a name cannot change its meaning afterwards.
 */
export async function openEgressProxy({
  allowed,
  onConnection,
  resolve = dnsResolver(),
  refuse = refusedAddress,
}: EgressOptions): Promise<EgressProxy> {
  const sockets = new Set<Duplex>();
  let isClosed = false;
  const track = (socket: Duplex): void => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
  };

  /** Connects to a host if the run may reach it. @throws Refusal */
  const open = async ({ host, port }: Target): Promise<Socket> => {
    if (!isAllowedHost(allowed, host, port)) {
      throw new Refusal(`${host}:${port} is not on the allow-list`);
    }
    let addresses: string[];
    try {
      addresses = await resolve(host);
    } catch {
      throw new Refusal(`${host} cannot be resolved`, 502);
    }
    if (isClosed) throw new Refusal("the run has ended", 502);
    // One private address among public ones is an attempt, too.
    const reason = addresses.map(refuse).find((one) => one !== null);
    if (reason) throw new Refusal(`${host} ${reason}`);
    let failure = "has no address";
    for (const address of addresses) {
      const socket = connect({ host: address, port, noDelay: true, allowHalfOpen: true });
      track(socket);
      socket.setTimeout(CONNECT_MS, () => socket.destroy(new Error("timed out")));
      try {
        await once(socket, "connect");
        socket.setTimeout(IDLE_MS, () => socket.destroy());
        return socket;
      } catch (error) {
        socket.destroy();
        failure = `cannot be reached (${(error as NodeJS.ErrnoException).code ?? (error as Error).message})`;
      }
    }
    throw new Refusal(`${host}:${port} ${failure}`, 502);
  };

  /** Runs a connection, and reports it once. @throws Refusal */
  const connection = async (
    find: () => Target,
    use: (socket: Socket, target: Target) => Promise<void>,
  ): Promise<void> => {
    const at = new Date();
    const report = (target: Target, denied: string | null, socket?: Socket): void =>
      onConnection({
        host: target.host.slice(0, 255),
        port: target.port,
        denied,
        at,
        bytesSent: socket?.bytesWritten ?? 0,
        bytesReceived: socket?.bytesRead ?? 0,
      });
    let target: Target = { host: "", port: 0, path: "" };
    let socket: Socket;
    try {
      target = find();
      socket = await open(target);
    } catch (error) {
      if (error instanceof Refusal) report(error.target ?? target, error.message);
      throw error;
    }
    try {
      await use(socket, target);
    } finally {
      socket.destroy();
      report(target, null, socket);
    }
  };

  const server = createServer({
    maxHeaderSize: 64 * 1024,
    headersTimeout: HEADERS_MS,
    // A body may take any time; an idle connection ends.
    requestTimeout: 0,
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.on("connection", track);
  server.on("clientError", (_error, socket) => void socket.destroy());
  server.on("request", (request, response) => {
    const use = (socket: Socket, target: Target) => forward(request, response, target, socket);
    connection(() => targetOf(request), use).catch((error: unknown) => {
      if (response.headersSent) return void response.destroy();
      const { status, text } = answerTo(error);
      // The connection may hold an unread body.
      response.writeHead(status, { "content-type": "text/plain", connection: "close" });
      response.end(text);
    });
  });
  const tunnel = (inner: Duplex, find: () => Target, begin: (outer: Socket) => void): void => {
    const use = async (outer: Socket): Promise<void> => {
      begin(outer);
      await pipeBoth(inner, outer);
    };
    connection(find, use).catch((error: unknown) => {
      const { status, text } = answerTo(error);
      const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: text/plain`;
      const length = Buffer.byteLength(text);
      inner.end(`${head}\r\ncontent-length: ${length}\r\nconnection: close\r\n\r\n${text}`);
    });
  };
  server.on("connect", (request, inner, head) => {
    tunnel(
      inner,
      () => authorityOf(request.url ?? ""),
      (outer) => {
        inner.write("HTTP/1.1 200 Connection established\r\n\r\n");
        outer.write(head);
      },
    );
  });
  server.on("upgrade", (request, inner, head) => {
    tunnel(
      inner,
      () => targetOf(request),
      (outer) => {
        const { path } = targetOf(request);
        const lines = [`${request.method} ${path} HTTP/1.1`, `host: ${hostHeader(request)}`];
        for (let at = 0; at + 1 < request.rawHeaders.length; at += 2) {
          const [name = "", value = ""] = request.rawHeaders.slice(at, at + 2);
          if (!/^(?:host|proxy-.*)$/i.test(name)) lines.push(`${name}: ${value}`);
        }
        outer.write(`${lines.join("\r\n")}\r\n\r\n`);
        outer.write(head);
      },
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      isClosed = true;
      const closed = new Promise((resolved) => server.close(resolved));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** The host and port of a `CONNECT` request. @throws Refusal */
function authorityOf(text: string): Target {
  const [, host = "", port = ""] = /^(\[[^\]]+\]|[^:/@\s]+):(\d{1,5})$/.exec(text) ?? [];
  if (host === "" || Number(port) > 65_535) {
    const target = { host: text, port: 0, path: "" };
    throw new Refusal("a tunnel needs a host and a port", 400, target);
  }
  return { host: host.replace(/^\[|\]$/g, ""), port: Number(port), path: "" };
}

/** The target of a plain HTTP request, which names it by an absolute URL. @throws Refusal */
function targetOf({ url = "" }: IncomingMessage): Target {
  const found = /^http:\/\//i.test(url) && URL.canParse(url) ? new URL(url) : null;
  if (found === null) {
    const target = { host: url, port: 0, path: "" };
    throw new Refusal("a proxy needs an absolute http URL; https needs a tunnel", 400, target);
  }
  const host = found.hostname.replace(/^\[|\]$/g, "");
  return { host, port: Number(found.port || 80), path: found.pathname + found.search };
}

function hostHeader({ url = "" }: IncomingMessage): string {
  return new URL(url).host;
}

/** Sends a request to its host, and the answer back. */
async function forward(
  request: IncomingMessage,
  response: ServerResponse,
  { path }: Target,
  socket: Socket,
): Promise<void> {
  const headers = endToEnd(request);
  const isChunked = request.headers["transfer-encoding"] !== undefined;
  const outgoing = openRequest({
    method: request.method,
    path,
    headers: [
      ...headers.filter(([name]) => !/^(?:host|expect)$/i.test(name)).flat(),
      "host",
      hostHeader(request),
      "connection",
      "close",
      ...(isChunked ? ["transfer-encoding", "chunked"] : []),
    ],
    createConnection: () => socket,
  });
  // An error after the response ends its stream.
  outgoing.on("error", () => undefined);
  const answered = once(outgoing, "response") as Promise<[IncomingMessage]>;
  const sent = pipeline(request, outgoing);
  sent.catch(() => undefined);
  const [answer] = await answered;
  response.writeHead(answer.statusCode ?? 502, endToEnd(answer).flat());
  response.flushHeaders();
  await pipeline(answer, response);
}

/** The headers that are not for one connection only. */
function endToEnd({ rawHeaders, headers }: IncomingMessage): [name: string, value: string][] {
  const named = (headers.connection ?? "").toLowerCase().split(/[\s,]+/);
  const kept: [string, string][] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const [name = "", value = ""] = rawHeaders.slice(at, at + 2);
    const key = name.toLowerCase();
    if (!HOP_BY_HOP.has(key) && !named.includes(key)) kept.push([name, value]);
  }
  return kept;
}

/** Joins two connections until both have ended. */
async function pipeBoth(inner: Duplex, outer: Socket): Promise<void> {
  await Promise.allSettled([pipeline(inner, outer), pipeline(outer, inner)]);
  inner.destroy();
}
