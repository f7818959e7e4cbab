/** The proxy through which pods of runs with a restricted network reach their allowed hosts. */
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { EgressError } from "#execution/proxy/egress-error.js";
import { createProxyServer } from "#execution/proxy/proxy-server.js";
import {
  MAX_CONNECTIONS,
  type EgressOptions,
  type RunConnections,
} from "#execution/proxy/run-connections.js";
import { ConfigError } from "#shared/node/config-error.js";
import { fairSlots } from "#shared/node/fair-slots.js";
import { AppError } from "../../../../errors.js";
import { limitAnonymous } from "./anonymous-connections.js";
import { openProxiedRuns, type ProxiedRunsDeps } from "./proxied-runs.js";

export interface ClusterEgress {
  port: number;
  /** Accepts no connections, gives those under way a moment to end, and records them. */
  close(): Promise<void>;
}

/** Connections of all runs at a time; each holds a second one to its host. */
const MAX_OPEN = 4096;
/** Connections without valid headers yet. Each holds 64 KiB at most. */
const MAX_ANONYMOUS = 1024;
const HEADERS_MS = 15_000;
/** Look-ups of tokens at a time, so that invalid ones do not occupy the connections to the database. */
const MAX_LOOKUPS = 4;
const GRACE_MS = 2000;

interface ClusterEgressOptions extends Pick<EgressOptions, "resolve" | "refuse"> {
  host: string;
  port: number;
}

/** @throws ConfigError when it cannot listen */
export async function openClusterEgress(
  deps: ProxiedRunsDeps,
  { host, port, ...address }: ClusterEgressOptions,
): Promise<ClusterEgress> {
  const { runTokens } = deps;
  const runs = openProxiedRuns(deps, address);
  const lookups = fairSlots({ slots: MAX_LOOKUPS, perOwner: 1 });
  const open = new Set<Duplex>();

  /** @throws EgressError 403, 407, 503 */
  const connectionsOf = async (token: string): Promise<RunConnections> => {
    try {
      return await runs.find(await runTokens.runOf(token), token);
    } catch (error) {
      if (error instanceof EgressError) throw error;
      if (error instanceof AppError && error.status === 401) {
        throw new EgressError("the token is not that of a running run", 407);
      }
      deps.log.error({ err: error }, "the proxy cannot find a run");
      throw new EgressError("the server cannot find the run now; try again", 503);
    }
  };
  /** Returns the connections of the run that sent a request, as `connectionsOf`. */
  const findRun = async (request: IncomingMessage, inner: Duplex): Promise<RunConnections> => {
    const token = proxyToken(request.headers["proxy-authorization"]);
    if (token === null || !runTokens.isToken(token)) {
      throw new EgressError("the proxy needs the user run, and the run's token as password", 407);
    }
    const ended = new AbortController();
    inner.once("close", () => ended.abort(new EgressError("the client has gone", 503)));
    const free = await lookups.take(request.socket.remoteAddress ?? "", ended.signal);
    const connections = await connectionsOf(token).finally(free);
    ended.signal.throwIfAborted();
    if (open.size >= MAX_OPEN) {
      throw new EgressError(`the proxy has ${MAX_OPEN} connections already`, 503);
    }
    open.add(inner);
    inner.once("close", () => open.delete(inner));
    identified(inner);
    return connections;
  };

  const { server, close } = createProxyServer({ findRun, headersMs: HEADERS_MS });
  const identified = limitAnonymous(server, { perAddress: MAX_CONNECTIONS, total: MAX_ANONYMOUS });
  server.listen(port, host);
  try {
    await once(server, "listening");
  } catch (error) {
    await runs.close();
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError(
      `Cannot listen on ${host}:${port} (${code}); set OMOI_EGRESS_PORT to another port`,
    );
  }
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      await close(GRACE_MS);
      await runs.close();
    },
  };
}

/** The user of a run at the proxy; its password is the run's token. */
const USER = "run";

const BASIC = /^basic +([a-z0-9+/]{1,400}={0,2}) *$/i;

/** Returns the token of a `Proxy-Authorization` header; null without one. */
function proxyToken(header: string | undefined): string | null {
  const [, encoded] = BASIC.exec(header ?? "") ?? [];
  if (encoded === undefined) return null;
  const [user, ...password] = Buffer.from(encoded, "base64").toString("latin1").split(":");
  return user === USER ? password.join(":") : null;
}
