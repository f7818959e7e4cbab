/** The way out of a run with a restricted network. */
import { parseAllowedHost, type AllowedHost } from "#shared/egress.js";
import type { Database } from "../../../db/connection/connect.js";
import { openEgressProxy } from "./egress-proxy.js";
import { recordEgress } from "./egress-recorder.js";
import { insertEgress } from "./egress.queries.js";

/** The proxy of a run. */
export interface RunEgressProxy {
  /** On the host's 127.0.0.1. */
  port: number;
  /** The variables that make programs use it. */
  env: Record<string, string>;
  /** Closes it, and records the rest; after an error it can be called again. */
  close(): Promise<void>;
}

/**
 * Opens the proxy of a run.
 * @param log appends a line to the run's log
 * @param mask removes the run's secrets from a text
 */
export async function openEgress(
  { db }: { db: Database },
  run: { id: string; org_id: string; allowed_hosts: readonly string[] },
  log: (text: string) => void,
  mask: (text: string) => string,
): Promise<RunEgressProxy> {
  const recorder = recordEgress(
    (egress) => db.tenant(run.org_id, (tx) => insertEgress(tx, run, egress)),
    log,
  );
  const proxy = await openEgressProxy({
    // Entries were validated when the run was requested.
    allowed: run.allowed_hosts
      .map(parseAllowedHost)
      .filter((entry): entry is AllowedHost => typeof entry !== "string"),
    onConnection: ({ host, reason, ...connection }) =>
      recorder.add({ ...connection, host: mask(host), reason: reason && mask(reason) }),
  });
  return {
    port: proxy.port,
    env: proxyVariables(proxy.port),
    close: async () => {
      await proxy.close();
      await recorder.close();
    },
  };
}

/** Programs read these variables in one or the other case. The run's loopback is its own. */
function proxyVariables(port: number): Record<string, string> {
  const url = `http://127.0.0.1:${port}`;
  const direct = "localhost,127.0.0.1,::1";
  const variables = { HTTP_PROXY: url, HTTPS_PROXY: url, ALL_PROXY: url, NO_PROXY: direct };
  const lower = Object.entries(variables).map(([name, value]) => [name.toLowerCase(), value]);
  // Node's own fetch, from 22.21 and 24.0 on.
  return { ...variables, ...Object.fromEntries(lower), NODE_USE_ENV_PROXY: "1" };
}
