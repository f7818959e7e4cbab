/** Name resolution of runs with their own network. */
import { readFileSync } from "node:fs";
import { isIP } from "node:net";

/** The resolver address of a run by family; pasta forwards queries to the machine's resolver. */
export const RESOLVERS = { 4: "198.18.0.1", 6: "fd6f:6d6f:6e65::53" } as const;

/** Returns a run's resolv.conf(5): the machine's, with the run's resolver addresses. */
export function resolverConfiguration(): string {
  const own = readTextOrEmpty("/etc/resolv.conf").split("\n");
  const families = new Set(
    own.map((line) => isIP(/^\s*nameserver\s+([^\s%]+)/.exec(line)?.[1] ?? "")),
  );
  // A query is forwarded to a resolver of the same family.
  const asked = ([4, 6] as const).filter((family) => families.has(family));
  const servers = asked.length > 0 ? asked.map((family) => RESOLVERS[family]) : [RESOLVERS[4]];
  const search = own.filter((line) => /^\s*(search|domain|options)\s/.test(line));
  return [...servers.map((address) => `nameserver ${address}`), ...search, ""].join("\n");
}

/** Reads a text file; empty if it cannot be read. */
export function readTextOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
