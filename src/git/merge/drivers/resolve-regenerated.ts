/**
 * The driver `regenerate`: files that a command of the project writes again, outside of this module.
 * The command runs on the tree of the merge in which all of these files are pending.
 */
import { patchTree } from "../../objects/patch-tree.js";
import { TreeReader, type TreeEntry } from "../../objects/tree-reader.js";
import type { ComputedMerge, Conflict } from "../merge-conflicts.js";
import { NO_DRIVERS, type DriverFile, type RegeneratedFile } from "./applied-drivers.js";

/**
 * Completes a merge: regenerated files have no conflict, and all others that were to be regenerated have
 * one. A pending file keeps the target's version.
 * @throws GitError
 */
export async function resolveRegenerated(
  repoPath: string,
  merge: ComputedMerge,
  results: readonly RegeneratedFile[],
): Promise<ComputedMerge> {
  const { toRegenerate, drivers } = merge;
  const files: DriverFile[] = [];
  const edits = new Map<string, TreeEntry>();
  const conflicts = [...merge.conflicts];
  for (const { path, name, driver, target, conflict } of toRegenerate) {
    const found = results.find((result) => result.path === name);
    const { command } = driver;
    const file = { path: name, driver: driver.driver, command, run_id: found?.run_id ?? null };
    if (found === undefined) {
      conflicts.push(conflict);
      files.push({ ...file, result: "conflict", reason: "It was resolved by hand." });
    } else if ("reason" in found) {
      conflicts.push({ ...conflict, reason: `regenerate: ${found.reason}` });
      files.push({ ...file, result: "conflict", reason: found.reason });
    } else if ("oid" in found) {
      edits.set(path, { mode: target.mode, oid: found.oid });
      files.push({ ...file, result: "merged", reason: null });
    } else {
      edits.set(path, target);
      files.push({ ...file, result: "pending", reason: null });
    }
  }
  const trees = new TreeReader(repoPath);
  return {
    ...merge,
    drivers: { ...(drivers ?? NO_DRIVERS), regenerated: [...results] },
    toRegenerate: [],
    driverFiles: [...merge.driverFiles, ...files].sort((a, b) => (a.path < b.path ? -1 : 1)),
    conflicts: sortConflicts(conflicts),
    tree: edits.size === 0 ? merge.tree : await patchTree(repoPath, merge.tree, edits, trees),
  };
}

/** Sorts conflicts by their first paths. */
export function sortConflicts(conflicts: Iterable<Conflict>): Conflict[] {
  return [...conflicts].sort((a, b) => (firstPath(a) < firstPath(b) ? -1 : 1));
}

const firstPath = ({ detail }: Conflict): string => detail.paths[0] ?? "";
