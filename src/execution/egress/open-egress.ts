/** The way out of a run with a restricted network. */
import { parseAllowedHost, type AllowedHost } from "#shared/egress.js";
import { openEgressProxy } from "./egress-proxy.js";
import { recordEgress, type NewEgress } from "./egress-recorder.js";

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
  store,
  log,
  mask,
}: {
  allowedHosts: readonly string[];
  /** Writes connections and counts; a failed write is tried again with the next one. */
  store: (egress: NewEgress) => Promise<void>;
  /** Appends a line to the run's log. */
  log: (text: string) => void;
  /** Removes the run's secrets from a text. */
  mask: (text: string) => string;
}): Promise<RunEgressProxy> {
  const recorder = recordEgress(store, log);
  const proxy = await openEgressProxy({
    // Entries were validated when the run was requested.
    allowed: allowedHosts
      .map(parseAllowedHost)
      .filter((entry): entry is AllowedHost => typeof entry !== "string"),
    onConnection: ({ host, reason, ...connection }) =>
      recorder.add({ ...connection, host: mask(host), reason: reason && mask(reason) }),
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
