/** The servers that a `postgres://` address lists, in the syntax of libpq. */
import { ConfigError } from "#shared/node/config-error.js";

/** The address of one PostgreSQL server. */
export interface Host {
  /** A host name, an IP address, or the folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
}

interface ListedHosts {
  /** Null if the address leaves the choice of the server to the driver. */
  hosts: readonly Host[] | null;
  /** The address with the first server alone, which `URL` and the driver can parse. */
  url: string;
  /** Maximum time to connect to one server, in milliseconds; null if the address sets none. */
  timeoutMs: number | null;
}

const defaultPort = 5432;
const SYNTAX = /^(?<scheme>postgres(?:ql)?:\/\/)(?<user>[^/?#]*@)?(?<hosts>[^/?#@]*)(?<rest>.*)$/;

/**
 * Parses `postgres://user@host1:5432,host2:5433/db` and `?host=host1,host2&port=5432,5433`. Several
 * servers, `target_session_attrs` or `connect_timeout` let Omoi choose and check the server.
 * @throws ConfigError if the list is malformed, or asks for a server that cannot write
 */
export function parseHosts(url: string, variable: string): ListedHosts {
  const { scheme, user = "", hosts: authority = "", rest = "" } = SYNTAX.exec(url)?.groups ?? {};
  if (scheme === undefined) throw new ConfigError(`${variable} must begin with postgres://`);
  const [path, search] = splitOnce(rest, "?");
  const query = new URLSearchParams(search);
  const named = query.get("host");
  const places = (named ?? authority).split(",");
  const ports = query.get("port")?.split(",") ?? [];
  const wanted = query.get("target_session_attrs");
  checkWanted(wanted, places.length, variable);
  const timeout = query.get("connect_timeout");
  const timeoutMs = timeout === null ? null : secondsOf(timeout, variable) * 1000;
  if (places.length === 1 && !isWriter(wanted) && timeout === null) {
    return { hosts: null, url, timeoutMs };
  }
  if (ports.length > 1 && ports.length !== places.length) {
    throw new ConfigError(`${variable} lists ${places.length} hosts and ${ports.length} ports`);
  }
  const hosts = places.map((place, index): Host => {
    const port = ports.length > 1 ? ports[index] : ports[0];
    // A folder of sockets may contain colons.
    return place.startsWith("/")
      ? { host: place, port: portOf(port, variable) }
      : hostOf(place, port, variable);
  });
  if (hosts.length === 1) return { hosts, url, timeoutMs };
  const [first] = hosts as [Host];
  query.delete("target_session_attrs");
  query.set("host", first.host);
  query.set("port", String(first.port));
  // URLSearchParams writes a space as "+", which the driver does not read as one.
  const shortened = query.toString().replaceAll("+", "%20");
  return { hosts, url: `${scheme}${user}localhost${path}?${shortened}`, timeoutMs };
}

/** Returns how messages name a server. */
export function nameOf({ host, port }: Host): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function isWriter(wanted: string | null): boolean {
  return wanted === "read-write" || wanted === "primary";
}

function checkWanted(wanted: string | null, count: number, variable: string): void {
  if (wanted === null || isWriter(wanted) || (wanted === "any" && count === 1)) return;
  throw new ConfigError(
    `target_session_attrs in ${variable} must be read-write: Omoi uses only the server that accepts writes`,
  );
}

function hostOf(place: string, port: string | undefined, variable: string): Host {
  const [, bracketed, plain, own] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d+))?$/.exec(place) ?? [];
  const host = bracketed ?? plain;
  // Several colons without brackets are an IPv6 address in `host=`.
  if (host === undefined && /^[\da-f:.]+$/i.test(place) && place.includes("::")) {
    return { host: place, port: portOf(port, variable) };
  }
  if (host === undefined) {
    throw new ConfigError(
      `${variable} lists a server that is not host or host:port; write postgres://user:password@host1:5432,host2:5432/omoi`,
    );
  }
  return { host: decodeURIComponent(host), port: portOf(own ?? port, variable) };
}

function portOf(text: string | undefined, variable: string): number {
  if (text === undefined || text === "") return defaultPort;
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new ConfigError(`${variable} has a port that is not a number between 1 and 65535`);
}

function secondsOf(text: string, variable: string): number {
  const seconds = Number(text);
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= 60) return seconds;
  throw new ConfigError(`connect_timeout in ${variable} must be 1 to 60 seconds`);
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
