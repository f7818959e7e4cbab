/** The connections of one run with a restricted network: which are made, how many, and what is reported. */
import { Resolver } from "node:dns/promises";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { isAllowedHost, type AllowedHost } from "#shared/execution/egress.js";
import { refusedAddress } from "#shared/node/refused-address.js";
import { EgressError } from "./egress-error.js";
import type { Target } from "./target.js";

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

/** The hosts that a run may reach, and the receiver of its connections. */
export interface EgressOptions {
  allowed: readonly AllowedHost[];
  /** Called once for each connection: denied, failed or ended. */
  onConnection: (connection: EgressConnection) => void;
  /** Resolves a name to all of its addresses. */
  resolve?: (host: string) => Promise<string[]>;
  /** Returns why an address is refused, or null. */
  refuse?: (address: string, host: string) => string | null;
}

/** The connections of a run under way. */
export interface RunConnections {
  /**
   * Connects to the target that `find` returns, for as long as `use` runs, and reports the connection once.
   * @param inner the connection of the run
   * @throws EgressError
   */
  connect(
    find: () => Target,
    inner: Duplex,
    use: (outer: Socket, target: Target) => Promise<void>,
  ): Promise<void>;
  /** Ends all connections, and makes no others; each has been reported afterwards. */
  close(): Promise<void>;
}

/** Connections of one run at a time. */
export const MAX_CONNECTIONS = 256;
/** Addresses of one name; a usual name has a few. */
const MAX_ADDRESSES = 32;
/** For all addresses of a name. */
const CONNECT_MS = 15_000;
/** Milliseconds without a byte in either direction. */
const IDLE_MS = 10 * 60_000;

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
    return found.flatMap((result) => (result.status === "fulfilled" ? result.value : []));
  };
}

/**
 * Opens the connections of a run. Each goes to an address that was checked, so a name cannot change its meaning
 * afterwards.
 */
export function openRunConnections({
  allowed,
  onConnection,
  resolve = dnsResolver(),
  refuse = refusedAddress,
}: EgressOptions): RunConnections {
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
    if (connections.size >= MAX_CONNECTIONS) {
      throw new EgressError(`the run has ${MAX_CONNECTIONS} connections already`, 503);
    }
    const addresses = await resolve(host).catch(() => []);
    if (addresses.length === 0) throw new EgressError(`${host} cannot be resolved`, 502);
    if (addresses.length > MAX_ADDRESSES) {
      throw new EgressError(`${host} has more than ${MAX_ADDRESSES} addresses`);
    }
    // One private address among public ones is an attempt, too.
    const reason = addresses
      .map((address) => refuse(address, host))
      .find((refusal) => refusal !== null);
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
  return {
    connect: async (find, inner, use) => {
      if (isClosed) throw new EgressError("the run has ended");
      const running = run(find, inner, use);
      const settled = running.catch(() => undefined).finally(() => connections.delete(settled));
      connections.add(settled);
      await running;
    },
    close: async () => {
      isClosed = true;
      for (const socket of sockets) socket.destroy();
      await Promise.all(connections);
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
