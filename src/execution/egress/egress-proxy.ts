/** The HTTP proxy of one run with a restricted network, which can reach nothing else. */
import { Resolver } from "node:dns/promises";
import { once } from "node:events";
import {
  createServer,
  request as openRequest,
  STATUS_CODES,
  type ClientRequest,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { isAllowedHost, type AllowedHost } from "#shared/egress.js";
import { HOP_BY_HOP } from "#shared/node/hop-by-hop.js";
import { refusedAddress } from "#shared/node/refused-address.js";

/** A requested connection of a run. */
export interface EgressConnection {
  /** Empty if the request named none. */
  host: string;
  port: number;
  decision: "allowed" | "denied" | "failed";
  /** Why it was denied or failed, as a clause; null for an allowed connection. */
  reason: string | null;
  at: Date;
  bytesSent: number;
  bytesReceived: number;
}

export interface EgressProxy {
  /** On the host's 127.0.0.1. */
  port: number;
  /** Ends all connections; each has been reported afterwards. */
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
/** Addresses of one name; a usual name has a few. */
const MAX_ADDRESSES = 32;
/** The longest host name (RFC 1035). */
const MAX_HOST = 253;
/** For all addresses of a name. */
const CONNECT_MS = 15_000;
/** Milliseconds without a byte in either direction. */
const IDLE_MS = 10 * 60_000;
const HEADERS_MS = 60_000;

/** The target of a request. */
interface Target {
  host: string;
  port: number;
  /** With the query; empty for a tunnel. */
  path: string;
}

/** A connection that is not made, with the status of the response. */
class EgressError extends Error {
  override readonly name = "EgressError";
  readonly status: 400 | 403 | 502 | 503;

  constructor(message: string, status: EgressError["status"] = 403) {
    super(message);
    this.status = status;
  }
}

const ENDED = "the host ended the connection";

function answerTo(error: unknown): { status: number; text: string } {
  const { status, message } = error instanceof EgressError ? error : new EgressError(ENDED, 502);
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
    return found.flatMap((one) => (one.status === "fulfilled" ? one.value : []));
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
  const connections = new Set<Promise<void>>();
  let isClosed = false;
  const track = (socket: Duplex): void => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
  };

  /** Connects to a host if the run may reach it. @throws EgressError */
  const open = async ({ host, port }: Target, inner: Duplex): Promise<Socket> => {
    if (!isAllowedHost(allowed, host, port)) {
      throw new EgressError(`${host}:${port} is not on the allow-list`);
    }
    if (connections.size > MAX_CONNECTIONS) {
      throw new EgressError(`the run has ${MAX_CONNECTIONS} connections already`, 503);
    }
    const addresses = await resolve(host).catch(() => []);
    if (addresses.length === 0) throw new EgressError(`${host} cannot be resolved`, 502);
    if (addresses.length > MAX_ADDRESSES) {
      throw new EgressError(`${host} has more than ${MAX_ADDRESSES} addresses`);
    }
    // One private address among public ones is an attempt, too.
    const reason = addresses.map(refuse).find((one) => one !== null);
    if (reason) throw new EgressError(`${host} ${reason}`);
    const until = performance.now() + CONNECT_MS;
    let failure = "timed out";
    for (const address of addresses) {
      const left = Math.ceil(until - performance.now());
      if (left <= 0 || isClosed || inner.destroyed) break;
      const socket = connect({ host: address, port, noDelay: true, allowHalfOpen: true });
      track(socket);
      const giveUp = (): void => void socket.destroy();
      inner.once("close", giveUp);
      const problem = await connected(socket, left);
      if (problem === null) {
        socket.setTimeout(IDLE_MS, giveUp);
        return socket;
      }
      inner.off("close", giveUp);
      failure = problem;
    }
    throw new EgressError(`${host}:${port} cannot be reached (${failure})`, 502);
  };

  /** Runs a connection, and reports it once. @throws EgressError */
  const run = async (
    find: () => Target,
    inner: Duplex,
    use: (socket: Socket, target: Target) => Promise<void>,
  ): Promise<void> => {
    const at = new Date();
    const report = (
      { host, port }: Pick<Target, "host" | "port">,
      outcome: Pick<EgressConnection, "decision" | "reason">,
      { bytesWritten: bytesSent = 0, bytesRead: bytesReceived = 0 }: Partial<Socket> = {},
    ): void => onConnection({ host, port, ...outcome, at, bytesSent, bytesReceived });
    let target: Target = { host: "", port: 0, path: "" };
    let socket: Socket;
    try {
      target = find();
      socket = await open(target, inner);
    } catch (error) {
      if (error instanceof EgressError) {
        const decision = error.status >= 500 ? "failed" : "denied";
        report(target, { decision, reason: error.message });
      }
      throw error;
    }
    try {
      await use(socket, target);
    } finally {
      socket.destroy();
      report(target, { decision: "allowed", reason: null }, socket);
    }
  };
  /** Same as `run`; `fail` answers an error. */
  const connection = (
    find: () => Target,
    inner: Duplex,
    use: (socket: Socket, target: Target) => Promise<void>,
    fail: (error: unknown) => void,
  ): void => {
    const running: Promise<void> = run(find, inner, use)
      .catch(fail)
      .finally(() => connections.delete(running));
    connections.add(running);
  };

  const server = createServer({
    maxHeaderSize: 64 * 1024,
    headersTimeout: HEADERS_MS,
    // A body may take any time; an idle connection ends.
    requestTimeout: 0,
  });
  server.maxConnections = MAX_CONNECTIONS;
  // One request per connection: more would be served at the same time.
  server.maxRequestsPerSocket = 1;
  server.on("error", () => undefined);
  server.on("connection", track);
  server.on("clientError", (_error, socket) => void socket.destroy());
  server.on("request", (request, response) => {
    connection(
      () => targetOf(request),
      request.socket,
      (socket, target) => forward(request, response, target, socket),
      (error) => {
        if (response.headersSent) return void response.destroy();
        const { status, text } = answerTo(error);
        // The connection may hold an unread body.
        response.writeHead(status, { "content-type": "text/plain", connection: "close" });
        response.end(text);
      },
    );
  });
  /** Answers an error on a connection without a response object. */
  const failOn = (inner: Duplex) => (error: unknown) => {
    const { status, text } = answerTo(error);
    const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: text/plain`;
    const length = Buffer.byteLength(text);
    inner.end(`${head}\r\ncontent-length: ${length}\r\nconnection: close\r\n\r\n${text}`);
  };
  server.on("connect", (request, inner, head) => {
    connection(
      () => authorityOf(request.url ?? ""),
      inner,
      async (outer) => {
        inner.write("HTTP/1.1 200 Connection established\r\n\r\n");
        outer.write(head);
        await joinSockets(inner, outer);
      },
      failOn(inner),
    );
  });
  server.on("upgrade", (request, inner, head) => {
    connection(
      () => targetOf(request),
      inner,
      (outer, target) => upgrade(request, inner, head, target, outer),
      failOn(inner),
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
      await Promise.all([closed, ...connections]);
    },
  };
}

/** Waits for a socket to connect; returns why it did not, or null. */
function connected(socket: Socket, timeoutMs: number): Promise<string | null> {
  return new Promise((resolve) => {
    let failure = "timed out";
    const timer = setTimeout(() => socket.destroy(), timeoutMs);
    socket.once("error", (error: NodeJS.ErrnoException) => {
      failure = error.code ?? error.message;
    });
    socket.once("connect", () => resolve(null));
    socket.once("close", () => {
      clearTimeout(timer);
      resolve(failure);
    });
    socket.once("connect", () => clearTimeout(timer));
  });
}

/** The host and port of a `CONNECT` request. @throws EgressError */
function authorityOf(text: string): Target {
  const [, host = "", port = ""] = /^(\[[^\]]+\]|[^:/@\s]+):(\d{1,5})$/.exec(text) ?? [];
  if (host === "" || Number(port) > 65_535) {
    throw new EgressError("a tunnel needs a host and a port", 400);
  }
  return { host: hostOf(host), port: Number(port), path: "" };
}

/** The target of a plain HTTP request, which names it by an absolute URL. @throws EgressError */
function targetOf({ url = "" }: IncomingMessage): Target {
  const found = /^http:\/\//i.test(url) && URL.canParse(url) ? new URL(url) : null;
  if (found === null) {
    throw new EgressError("a proxy needs an absolute http URL; https needs a tunnel", 400);
  }
  const path = found.pathname + found.search;
  return { host: hostOf(found.hostname), port: Number(found.port || 80), path };
}

/** Returns a host without the brackets of an IPv6 address. @throws EgressError */
function hostOf(text: string): string {
  const host = text.replace(/^\[|\]$/g, "");
  if (host.length > MAX_HOST) throw new EgressError("the host name is too long", 400);
  return host;
}

/** The request to a host, on a connected socket. */
function requestTo(
  request: IncomingMessage,
  { path }: Target,
  socket: Socket,
  further: readonly string[],
): ClientRequest {
  const kept = endToEnd(request).filter(([name]) => !/^(?:host|expect)$/i.test(name));
  const { host } = new URL(request.url ?? "");
  const outgoing = openRequest({
    method: request.method,
    path,
    headers: [...kept.flat(), "host", host, ...further],
    createConnection: () => socket,
  });
  // An error after the response ends its stream.
  outgoing.on("error", () => undefined);
  return outgoing;
}

/** The response to a request, or its upgrade with the first bytes of the new protocol. */
interface Answer {
  answer: IncomingMessage;
  upgraded: Buffer | null;
}

/** @throws EgressError if the host ends the connection first */
function answerOf(outgoing: ClientRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    outgoing.once("response", (answer) => resolve({ answer, upgraded: null }));
    outgoing.once("upgrade", (answer, _socket, head) => resolve({ answer, upgraded: head }));
    outgoing.once("close", () => reject(new EgressError(ENDED, 502)));
  });
}

/** Sends a request to its host, and the answer back. */
async function forward(
  request: IncomingMessage,
  response: ServerResponse,
  target: Target,
  socket: Socket,
): Promise<void> {
  const isChunked = request.headers["transfer-encoding"] !== undefined;
  const framing = isChunked ? ["transfer-encoding", "chunked"] : [];
  const outgoing = requestTo(request, target, socket, ["connection", "close", ...framing]);
  const answered = answerOf(outgoing);
  pipeline(request, outgoing).catch(() => undefined);
  const { answer, upgraded } = await answered;
  if (upgraded !== null) throw new EgressError("the host changed the protocol", 502);
  response.writeHead(answer.statusCode ?? 502, endToEnd(answer).flat());
  response.flushHeaders();
  await pipeline(answer, response);
}

/** Sends an upgrade to its host. Other answers than 101 are sent back and end the connection. */
async function upgrade(
  request: IncomingMessage,
  inner: Duplex,
  head: Buffer,
  target: Target,
  outer: Socket,
): Promise<void> {
  const protocol = request.headers.upgrade ?? "";
  const outgoing = requestTo(request, target, outer, [
    "connection",
    "upgrade",
    "upgrade",
    protocol,
  ]);
  const answered = answerOf(outgoing);
  outgoing.end();
  const { answer, upgraded } = await answered;
  const { statusCode, statusMessage, headers } = answer;
  const own = upgraded
    ? ["connection", "upgrade", "upgrade", headers.upgrade ?? protocol]
    : ["connection", "close"];
  const words = [...endToEnd(answer).flat(), ...own];
  const lines = [`HTTP/1.1 ${statusCode} ${statusMessage}`];
  for (let at = 0; at + 1 < words.length; at += 2) lines.push(`${words[at]}: ${words[at + 1]}`);
  inner.write(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
  if (upgraded === null) return pipeline(answer, inner);
  inner.write(upgraded);
  outer.write(head);
  await joinSockets(inner, outer);
}

/** The headers that are not for one connection only. */
function endToEnd({ rawHeaders, headers }: IncomingMessage): [name: string, value: string][] {
  const named = (headers.connection ?? "").toLowerCase().split(/[\s,]+/);
  const kept: [string, string][] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const [name = "", value = ""] = rawHeaders.slice(at, at + 2);
    const key = name.toLowerCase();
    const isNamed = key !== "content-length" && named.includes(key);
    if (!HOP_BY_HOP.has(key) && !isNamed) kept.push([name, value]);
  }
  return kept;
}

/** Joins two connections until both have ended. */
async function joinSockets(inner: Duplex, outer: Socket): Promise<void> {
  await Promise.allSettled([pipeline(inner, outer), pipeline(outer, inner)]);
  inner.destroy();
}
