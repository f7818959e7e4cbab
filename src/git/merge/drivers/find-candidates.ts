/** Finds the files of a merge that a driver applies to: those that both sides changed. */
import { setImmediate as immediate } from "node:timers/promises";
import type { MergeDriver } from "#shared/code/merge-drivers.js";
import type { TreeEntry, TreeReader } from "../../objects/tree-reader.js";
import type { ComputedMerge, Conflict } from "../merge-conflicts.js";
import { readRenames } from "../read-renames.js";

/** A regular file that both sides changed or added, with its three versions. */
export interface Candidate {
  /** The path of the merged file, as latin1 bytes. */
  path: string;
  /** Its path in the base, if a side renamed it. */
  origin: string | null;
  driver: MergeDriver;
  /** Null if both sides added it. */
  base: TreeEntry | null;
  target: TreeEntry;
  source: TreeEntry;
  /** The merged mode. */
  mode: string;
  /** git's conflict about this file alone, if any. */
  conflict: Conflict | null;
  /** Whether merge bases have different versions of it. */
  ambiguous: boolean;
}

/** Paths per turn of the event loop. */
const PATHS_PER_TURN = 100;

type Versions = Pick<Candidate, "path" | "origin" | "base" | "target" | "source">;

/**
 * Returns the files that both sides changed since the merge base and that have a driver, sorted by
 * path. A renamed file counts by the path where the merge places it. Files that are part of a larger
 * conflict, such as a rename on both sides, are left out.
 * @throws GitError
 */
export async function findCandidates(
  repoPath: string,
  merge: ComputedMerge,
  trees: TreeReader,
  driverFor: (path: string) => MergeDriver | null,
): Promise<Candidate[]> {
  const found = new Map<string, Versions & { driver: MergeDriver; ambiguous: boolean }>();
  for (const base of merge.bases) {
    const changed = await changedByBoth(repoPath, merge, base, trees);
    for (const [at, versions] of changed.entries()) {
      // Many long paths and patterns take long.
      if (at % PATHS_PER_TURN === 0) await immediate();
      const { path } = versions;
      const driver = driverFor(Buffer.from(path, "latin1").toString("utf8"));
      if (driver === null) continue;
      const other = found.get(path);
      const ambiguous = other !== undefined && other.base?.oid !== versions.base?.oid;
      found.set(path, { ...versions, driver, ambiguous: ambiguous || other?.ambiguous === true });
    }
  }
  const paths = [...found.values()].flatMap(({ path, origin }) => [path, origin ?? path]);
  await trees.load([...merge.bases, merge.tree].map((tree) => ({ tree, paths })));
  const conflicts = conflictsByPath(merge);
  return [...found.values()]
    .sort((a, b) => (a.path < b.path ? -1 : 1))
    .flatMap((file): Candidate[] => {
      const { path, origin, base, target, source } = file;
      const conflict = conflictAt(conflicts, file);
      if (conflict === undefined) return [];
      const isMerged = trees.findFile(merge.tree, path)?.mode.startsWith("100") === true;
      // git placed the renamed file elsewhere, or took both for different files.
      const isMoved = origin !== null && trees.findFile(merge.tree, origin) !== null;
      if (!isMerged || (isMoved && conflict === null)) return [];
      if (base === null && target.mode !== source.mode) return [];
      const mode = target.mode === base?.mode ? source.mode : target.mode;
      const ambiguous =
        file.ambiguous ||
        merge.bases.some((commit) => {
          const entry = trees.findFile(commit, origin ?? path);
          return (entry?.oid ?? null) !== (base?.oid ?? null);
        });
      return [{ ...file, mode, conflict, ambiguous }];
    });
}

function conflictsByPath({ conflicts }: ComputedMerge): Map<string, Conflict> {
  return new Map(
    conflicts.flatMap((conflict) => conflict.detail.paths.map((path) => [path, conflict] as const)),
  );
}

/**
 * Returns git's conflict about the file; null if git merged its lines, undefined if the conflict
 * involves other files or other versions.
 */
function conflictAt(
  conflicts: ReadonlyMap<string, Conflict>,
  { path, origin, base, target, source }: Versions,
): Conflict | null | undefined {
  const conflict = conflicts.get(path);
  const ofOrigin = origin === null ? conflict : conflicts.get(origin);
  if (conflict === undefined) return ofOrigin === undefined ? null : undefined;
  const { entries, clashes } = conflict.detail;
  const expected = [base, target, source].map((entry) => entry?.oid);
  const isSame =
    (ofOrigin ?? conflict) === conflict &&
    clashes.length === 0 &&
    entries.every((entry) => entry.path === path && entry.oid === expected[entry.stage - 1]) &&
    entries.length === expected.filter((oid) => oid !== undefined).length;
  return isSame ? conflict : undefined;
}

/** Returns the regular files that both sides changed differently since one merge base. */
async function changedByBoth(
  repoPath: string,
  { target, source }: ComputedMerge,
  base: string,
  trees: TreeReader,
): Promise<Versions[]> {
  const [byTarget, bySource] = [
    await trees.differing(base, target),
    await trees.differing(base, source),
  ];
  const common = [...byTarget.keys()].filter((path) => bySource.has(path));
  await trees.load([{ tree: base, paths: common }]);
  const before = (path: string): TreeEntry | null => trees.findFile(base, path);
  const both = (path: string): Versions | null => {
    const [inTargetTree, inSourceTree] = [byTarget.get(path), bySource.get(path)];
    return inTargetTree && inSourceTree
      ? { path, origin: null, base: before(path), target: inTargetTree, source: inSourceTree }
      : null;
  };
  const files = common.map(both).filter((file) => file !== null);
  const renamed: Versions[] = [];
  const gone = common.filter((path) => before(path) !== null && both(path) === null);
  // Only a file that a side removed, or that both added, can be a renamed one.
  if (gone.length > 0 || files.some((file) => file.base === null)) {
    const renames = await readRenames(repoPath, target, source, [base]);
    const [inTarget, inSource] = [renames.target, renames.source].map(
      (side) => new Map([...side].map(([path, origin]) => [origin, path])),
    );
    for (const origin of gone) {
      const names = [inTarget?.get(origin), inSource?.get(origin)];
      const [first = names[1], second = first] = names;
      if (first === undefined || first !== second) continue;
      const inTargetTree = byTarget.get(names[0] ?? origin);
      const inSourceTree = bySource.get(names[1] ?? origin);
      if (!inTargetTree || !inSourceTree) continue;
      renamed.push({
        path: first,
        origin,
        base: before(origin),
        target: inTargetTree,
        source: inSourceTree,
      });
    }
  }
  const isRegular = (entry: TreeEntry | null): boolean =>
    entry === null || entry.mode.startsWith("100");
  const moved = new Set(renamed.map(({ path }) => path));
  return [...files.filter(({ path }) => !moved.has(path)), ...renamed].filter(
    (file) =>
      [file.base, file.target, file.source].every(isRegular) &&
      new Set([file.base?.oid, file.target.oid, file.source.oid]).size === 3,
  );
}
