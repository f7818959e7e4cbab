import { isIP } from "node:net";
import { isWithin } from "#shared/node/networks.js";
import type { RequestHead } from "./request-head.js";

/** Headers added by proxies. */
const PROXY_HEADERS = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"];

/**
 * Whether a request originates on this machine: a local connection, not forwarded by a proxy, and
 * addressed by IP or `localhost` (another name may indicate a proxy or DNS rebinding). A run connects
 * from its own address (callback-listener.ts), which is not local.
 */
export function isLocalCaller({ socket, headers, host }: RequestHead): boolean {
  if (PROXY_HEADERS.some((name) => headers[name] !== undefined)) return false;
  const name = URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : "";
  if (name !== "localhost" && isIP(name.replaceAll(/[[\]]/g, "")) === 0) return false;
  const { remoteAddress = "" } = socket;
  return isWithin(remoteAddress, "127.0.0.0/8") || isWithin(remoteAddress, "::1");
}
