import { isIP } from "node:net";
import { isWithin } from "#shared/node/networks.js";
import type { RequestHead } from "./request-head.js";

/** Headers that proxies add. */
const ofProxies = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"];

/**
 * Whether a request comes from this machine: its connection does, no proxy passed it on, and it names the
 * server by an address or as `localhost` (another name may be a proxy's, or one that a foreign page points
 * here). A run's connection has the run's own address (callback-listener.ts), which is not local.
 */
export function isLocalCaller({ socket, headers, host }: RequestHead): boolean {
  if (ofProxies.some((name) => headers[name] !== undefined)) return false;
  const name = URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : "";
  if (name !== "localhost" && isIP(name.replaceAll(/[[\]]/g, "")) === 0) return false;
  const { remoteAddress = "" } = socket;
  return isWithin(remoteAddress, "127.0.0.0/8") || isWithin(remoteAddress, "::1");
}
