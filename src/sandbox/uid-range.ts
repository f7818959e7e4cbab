/** A range of uids for runs; each is also the run's gid. */
import { readFileSync } from "node:fs";

/** Inclusive. */
export interface UidRange {
  first: number;
  last: number;
}

/**
 * Tells whether this process may give files and processes to every uid of the range: it is root,
 * and its user namespace maps all of them (user_namespaces(7)).
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
