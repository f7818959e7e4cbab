/** How runs with a network of their own resolve names. */
import { readFileSync } from "node:fs";
import { isIP } from "node:net";

/** Where a run asks, by family; pasta hands its questions on to the machine's own resolver. */
export const RESOLVERS = { 4: "198.18.0.1", 6: "fd6f:6d6f:6e65::53" } as const;

/** A run's resolv.conf(5): the machine's own, with the run's resolvers in place of the machine's. */
export function resolverConfiguration(): string {
  const own = readIfThere("/etc/resolv.conf").split("\n");
  const families = new Set(
    own.map((line) => isIP(/^\s*nameserver\s+([^\s%]+)/.exec(line)?.[1] ?? "")),
  );
  // A question in one family is handed on to a resolver of the same.
  const asked = ([4, 6] as const).filter((family) => families.has(family));
  const servers = asked.length > 0 ? asked.map((family) => RESOLVERS[family]) : [RESOLVERS[4]];
  const search = own.filter((line) => /^\s*(search|domain|options)\s/.test(line));
  return [...servers.map((address) => `nameserver ${address}`), ...search, ""].join("\n");
}

/** The text of a file; empty where it cannot be read. */
export function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
