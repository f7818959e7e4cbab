/** The way out of a run with a restricted network. */
import { parseAllowedHosts } from "#shared/egress.js";
import { openEgressProxy } from "./egress-proxy.js";
import { recordEgress, type RecorderOptions } from "./egress-recorder.js";

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
  ...options
}: RecorderOptions & { allowedHosts: readonly string[] }): Promise<RunEgressProxy> {
  const recorder = recordEgress(options);
  const proxy = await openEgressProxy({
    allowed: parseAllowedHosts(allowedHosts),
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
