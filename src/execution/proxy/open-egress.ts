/** The way out of a run with a restricted network. */
import { parseAllowedHosts } from "#shared/execution/egress.js";
import { privateHostRule } from "#shared/node/refused-address.js";
import { recordEgress, type RecorderOptions } from "./egress-recorder.js";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createProxyServer } from "./proxy-server.js";
import { MAX_CONNECTIONS, openRunConnections, type EgressOptions } from "./run-connections.js";

/** The proxy of a run. */
export interface RunEgressProxy {
  /** On the host's 127.0.0.1. */
  port: number;
  /** The variables that make programs use it. */
  env: Record<string, string>;
  /** Closes it, and records the rest; after an error it can be called again. */
  close(): Promise<void>;
}

/** Opens the proxy of a run. */
export async function openEgress({
  allowedHosts,
  privateHosts,
  ...options
}: RecorderOptions & {
  allowedHosts: readonly string[];
  /** Those whose addresses may be private. */
  privateHosts: readonly string[];
}): Promise<RunEgressProxy> {
  const recorder = recordEgress(options);
  const proxy = await openEgressProxy({
    allowed: parseAllowedHosts(allowedHosts),
    refuse: privateHostRule(privateHosts),
    onConnection: (connection) => recorder.add(connection),
  });
  return {
    port: proxy.port,
    // The run's loopback is its own.
    env: proxyVariables(`http://127.0.0.1:${proxy.port}`),
    close: async () => {
      await proxy.close();
      await recorder.close();
    },
  };
}

/** Returns the variables that make programs use a proxy: they read them in one or the other case. */
export function proxyVariables(url: string): Record<string, string> {
  const direct = "localhost,127.0.0.1,::1";
  const variables = { HTTP_PROXY: url, HTTPS_PROXY: url, ALL_PROXY: url, NO_PROXY: direct };
  const lower = Object.entries(variables).map(([name, value]) => [name.toLowerCase(), value]);
  // Node's own fetch, from 22.21 and 24.0 on.
  return { ...variables, ...Object.fromEntries(lower), NODE_USE_ENV_PROXY: "1" };
}

export interface EgressProxy {
  /** On the host's 127.0.0.1. */
  port: number;
  /** Ends all connections; each has been reported afterwards. */
  close(): Promise<void>;
}

const HEADERS_MS = 60_000;

/** Opens the proxy. */
export async function openEgressProxy(options: EgressOptions): Promise<EgressProxy> {
  const run = openRunConnections(options);
  const { server, close } = createProxyServer({ findRun: () => run, headersMs: HEADERS_MS });
  server.maxConnections = MAX_CONNECTIONS;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      await Promise.all([close(), run.close()]);
    },
  };
}
