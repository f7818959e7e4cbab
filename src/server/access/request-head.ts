import type { IncomingHttpHeaders } from "node:http";
import { type Socket, isIP } from "node:net";
import { isWithin } from "#shared/node/networks.js";

/** A request without its body: what tells the caller and where the request comes from. */
export interface RequestHead {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  /** The host that the client names, with the port; a trusted proxy's client's, if it passed one on. */
  readonly host: string;
  /** The scheme of the client's connection, as far as it is known. */
  readonly protocol: "http" | "https";
  /** The client's address: that of the connection, or the one that a trusted proxy names. */
  readonly ip: string;
  readonly headers: IncomingHttpHeaders;
  readonly cookies: Readonly<Record<string, string | undefined>>;
  readonly socket: Socket;
  /** For the request log; set by `authenticate`. */
  actorId: string | null;
}

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
