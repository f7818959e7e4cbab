/** The hosts that a run with a restricted network may reach. */

/** One parsed entry of an allow-list. */
export interface AllowedHost {
  /** In lower case, without a wildcard. */
  name: string;
  /** Whether all names below `name` are meant instead of the name itself. */
  isWildcard: boolean;
  ports: readonly number[];
}

/** Entries per allow-list. */
export const MAX_ALLOWED_HOSTS = 100;

/** The ports of an entry without one. */
const DEFAULT_PORTS = [443, 80];
const LABEL = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/;

/**
 * Parses `api.example.com`, `*.example.com` or `git.example.com:8443`. Returns a clause that tells what
 * is wrong with another text.
 */
export function parseAllowedHost(text: string): AllowedHost | string {
  if (text.includes("/") || text.includes("@") || text.includes("?") || text.includes("#")) {
    return "must be a host name without a scheme, path or user";
  }
  if (/[^\x21-\x7e]/.test(text)) return "must be ASCII; write an international name in Punycode";
  const [, host = "", port] = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/.exec(text.toLowerCase()) ?? [];
  if (host.startsWith("[") || text.split(":").length > 2 || /^[\d.]+$/.test(host)) {
    return "must be a host name; addresses are not allowed";
  }
  if (port !== undefined && !(/^[1-9]\d{0,4}$/.test(port) && Number(port) <= 65_535)) {
    return "must have a port between 1 and 65535";
  }
  const isWildcard = host.startsWith("*.");
  const name = isWildcard ? host.slice(2) : host;
  if (name.includes("*")) return "may have a wildcard only as its first label: *.example.com";
  const labels = name.split(".");
  const isName = name.length <= 253 && labels.every((label) => LABEL.test(label));
  if (!isName) return "is not a host name";
  // A number at the end would be read as an address (WHATWG URL, "ends in a number").
  if (/^(?:\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? "")) {
    return "must be a host name; addresses are not allowed";
  }
  if (isWildcard && labels.length < 2) return "must have at least two labels after the wildcard";
  return { name, isWildcard, ports: port === undefined ? DEFAULT_PORTS : [Number(port)] };
}

/** Parses the entries of an allow-list, which were validated when it was stored; others admit nothing. */
export function parseAllowedHosts(entries: readonly string[]): AllowedHost[] {
  return entries
    .map(parseAllowedHost)
    .filter((entry): entry is AllowedHost => typeof entry !== "string");
}

/**
 * Returns the first entry of an allow-list that admits more than another list; null if it is narrower or
 * the same. Both lists are valid.
 */
export function notCovered(entries: readonly string[], by: readonly string[]): string | null {
  const wide = by.map(parsed);
  return (
    entries.find((text) => {
      const { name, isWildcard, ports } = parsed(text);
      return !ports.every((port) =>
        wide.some(
          (entry) =>
            entry.ports.includes(port) &&
            (entry.isWildcard
              ? name.endsWith(`.${entry.name}`) || (isWildcard && name === entry.name)
              : !isWildcard && name === entry.name),
        ),
      );
    }) ?? null
  );
}

function parsed(text: string): AllowedHost {
  const host = parseAllowedHost(text);
  if (typeof host === "string") throw new TypeError(`not an allowed host: ${text}`);
  return host;
}

/** Whether an allow-list admits a host (as given by a client) and a port. */
export function isAllowedHost(
  entries: readonly AllowedHost[],
  host: string,
  port: number,
): boolean {
  // The final dot of an absolute name does not change its meaning.
  const name = host.toLowerCase().replace(/\.$/, "");
  return entries.some(
    (entry) =>
      entry.ports.includes(port) &&
      (entry.isWildcard ? name.endsWith(`.${entry.name}`) : name === entry.name),
  );
}
