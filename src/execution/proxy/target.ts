/** The targets of requests to the proxy. */
import type { IncomingMessage } from "node:http";
import { EgressError } from "./egress-error.js";

/** The target of a request. */
export interface Target {
  host: string;
  port: number;
  /** With the query; empty for a tunnel. */
  path: string;
}

/** The longest host name (RFC 1035). */
const MAX_HOST = 253;

/** The host and port of a `CONNECT` request. @throws EgressError */
export function authorityOf(text: string): Target {
  const [, host = "", port = ""] = /^(\[[^\]]+\]|[^:/@\s]+):(\d{1,5})$/.exec(text) ?? [];
  if (host === "" || Number(port) > 65_535) {
    throw new EgressError("a tunnel needs a host and a port", 400);
  }
  return { host: hostOf(host), port: Number(port), path: "" };
}

/** The target of a plain HTTP request, which names it by an absolute URL. @throws EgressError */
export function targetOf({ url = "" }: IncomingMessage): Target {
  const found = /^http:\/\//i.test(url) && URL.canParse(url) ? new URL(url) : null;
  if (found === null) {
    throw new EgressError("a proxy needs an absolute http URL; https needs a tunnel", 400);
  }
  const path = found.pathname + found.search;
  return { host: hostOf(found.hostname), port: Number(found.port || 80), path };
}

/** Returns a host without the brackets of an IPv6 address. @throws EgressError */
function hostOf(text: string): string {
  const host = text.replace(/^\[|\]$/g, "");
  if (host.length > MAX_HOST) throw new EgressError("the host name is too long", 400);
  return host;
}
