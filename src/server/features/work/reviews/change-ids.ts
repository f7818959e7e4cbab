import { patchIdOf } from "#git/diff/patch-id.js";
import type { Change } from "./reviewed-attempt.js";

/** Ids of changes by their two commits, which determine them. */
const known = new Map<string, Promise<string | null>>();
const MAX_KNOWN = 1000;

/** Returns the id of a change, which stays the same on another base. */
export function changeId({ repoPath, base, head }: Pick<Change, "repoPath" | "base" | "head">) {
  const key = `${base} ${head}`;
  const found = known.get(key);
  if (found) return found;
  const made = patchIdOf(repoPath, base, head);
  known.set(key, made);
  made.catch(() => known.delete(key));
  const [oldest] = known.keys();
  if (known.size > MAX_KNOWN && oldest !== undefined) known.delete(oldest);
  return made;
}
