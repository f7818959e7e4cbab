/** The uids that runs may have, each of which is the gid of its run, too. */
import { readFileSync } from "node:fs";

/** Both ends belong to it. */
export interface UidRange {
  first: number;
  last: number;
}

/**
 * Whether this process may give files and processes to every uid of a range: it is root, and its user
 * namespace maps all of them (user_namespaces(7)).
 */
export function isUsable({ first, last }: UidRange): boolean {
  if (process.getuid?.() !== 0) return false;
  return ["uid_map", "gid_map"].every((name) =>
    readFileSync(`/proc/self/${name}`, "utf8")
      .split("\n")
      .map((line) => line.trim().split(/\s+/).map(Number))
      .some(([inside = 0, , count = 0]) => inside <= first && last < inside + count),
  );
}
