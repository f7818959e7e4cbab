/** The HTTP proxy of one run with a restricted network, which can reach nothing else. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createProxyServer } from "./proxy-server.js";
import { MAX_CONNECTIONS, openRunConnections, type EgressOptions } from "./run-connections.js";

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
