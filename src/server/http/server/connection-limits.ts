import type { Socket } from "node:net";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { AppError } from "../../errors.js";
import { callerNetwork, isWithin } from "#shared/node/networks.js";

interface Limits {
  /** Seconds in which the headers of a request must arrive, and again its body. */
  requestSeconds: number;
  /** Maximum number of open connections per address; 0: no limit. */
  perAddress: number;
  /** Networks of proxies, which carry the connections of many clients. */
  trustedProxies: readonly string[];
}

/** Maximum bytes of a request's address, and the names and values of its headers, as Node counts them. */
const MAX_HEADER_BYTES = 16 * 1024;

/** Returns options for Node's server, which itself ends requests whose headers are late or too large. */
export function headerLimits({ requestSeconds }: Pick<Limits, "requestSeconds">) {
  const headersTimeout = requestSeconds * 1000;
  return {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout,
    connectionsCheckingInterval: Math.min(headersTimeout / 2, 5000),
  };
}

/**
 * Ends a request whose body is late with 408 and rejects connections beyond the limit of an address.
 * Git packs are limited by their progress instead.
 */
export function limitConnections(app: FastifyInstance, limits: Limits): void {
  app.addHook("onRequest", (request, reply, done) => {
    if (hasBody(request) && !PACKS.test(request.url)) limitBody(request, reply, limits);
    done();
  });
  if (limits.perAddress > 0) limitPerAddress(app, limits);
}

/** Pushes, and the work of runs on runners. */
const PACKS = /^\/git\/|^\/runner\/v1\/runs\/[^/]+\/work(?:\?|$)/;

function hasBody({ headers }: FastifyRequest): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

function limitBody(
  { raw }: FastifyRequest,
  { raw: response }: FastifyReply,
  { requestSeconds }: Limits,
): void {
  const timer = setTimeout(() => {
    if (raw.complete) return;
    // A reader of the body responds with the error. Without a reader the response was already sent.
    const isRead = raw.listenerCount("error") > 0 && !response.writableEnded;
    if (isRead) raw.emit("error", tooSlow(requestSeconds));
    else raw.destroy();
  }, requestSeconds * 1000).unref();
  raw.once("close", () => clearTimeout(timer));
}

function tooSlow(seconds: number): AppError {
  return new AppError(
    "request_timeout",
    `The request's body did not arrive within ${seconds} s; send it again, and faster.`,
    { headers: { connection: "close" } },
  );
}

const refusal =
  "HTTP/1.1 429 Too Many Requests\r\nretry-after: 10\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/** Ends the count of a connection for its address. */
const counted = new WeakMap<Socket, () => void>();

/** Excludes the connection of another node, which carries the requests of many clients, from the limit. */
export function exemptConnection(socket: Socket): void {
  counted.get(socket)?.();
}

function limitPerAddress(app: FastifyInstance, { perAddress, trustedProxies }: Limits): void {
  const open = new Map<string, number>();
  app.server.on("connection", (socket: Socket) => {
    const { remoteAddress } = socket;
    if (remoteAddress === undefined) return;
    if (trustedProxies.some((network) => isWithin(remoteAddress, network))) return;
    const caller = callerNetwork(remoteAddress);
    const count = (open.get(caller) ?? 0) + 1;
    open.set(caller, count);
    const end = (): void => {
      if (!counted.delete(socket)) return;
      const left = (open.get(caller) ?? 1) - 1;
      if (left === 0) open.delete(caller);
      else open.set(caller, left);
    };
    counted.set(socket, end);
    socket.once("close", end);
    if (count > perAddress) socket.end(refusal, () => socket.destroy());
  });
}
