/**
 * Three-way merges of two commits without a checkout, and their conflicts. Everything is a pure
 * function of the two commits.
 */
import { assertOid } from "../objects/oid.js";
import {
  groupConflicts,
  parseMergeTree,
  type ComputedMerge,
  type MergeTreeOutput,
} from "./merge-conflicts.js";
import { NO_DRIVERS, type AppliedDrivers } from "./drivers/applied-drivers.js";
import { applyDrivers, type MergeOptions } from "./drivers/apply-drivers.js";
import { EMPTY_TREE, git, GitError, type ProcessOptions } from "../process/run.js";
import { compareHistories } from "../store/compare-histories.js";
import { mergeDisjoint } from "./merge-disjoint.js";
import { readRenames } from "./read-renames.js";
import { TreeReader } from "../objects/tree-reader.js";

export { applyDecisions, type Decision } from "./apply-decisions.js";
export { conflictFiles, readTexts, type ConflictFile } from "./conflict-files.js";
export type { ComputedMerge, FileToRegenerate } from "./merge-conflicts.js";
export {
  currentDrivers,
  type AppliedDrivers,
  type DriverFile,
  type RegeneratedFile,
} from "./drivers/applied-drivers.js";
export { DataBusyError, DataMerges } from "./drivers/data/data-merges.js";
export { DataProcesses, MergesUnavailableError } from "./drivers/data/data-processes.js";
export { resolveRegenerated } from "./drivers/resolve-regenerated.js";
export { TreeClashError } from "../objects/patch-tree.js";
export { commitsTouching } from "../store/commits-touching.js";

/** The two commits have no common ancestor, so git does not merge them. */
export class UnrelatedHistoriesError extends Error {
  override readonly name = "UnrelatedHistoriesError";

  constructor() {
    super("the two commits have no common history");
  }
}

const MERGE_MS = 5 * 60_000;

/**
 * Merges two commits (full ids) in memory: writes objects, moves no reference. Files that both
 * sides changed are merged by `drivers`, others by lines. The `.gitattributes` of the commits have no
 * effect; with null for `drivers`, merge attributes (`binary`, `merge=union`) come from the target, as
 * in merges before drivers were recorded. With `base`, that commit is the merge base: only changes of
 * `source` since then are applied.
 * @throws UnrelatedHistoriesError
 * @throws GitError if a commit is missing or git fails
 * @throws MergesUnavailableError
 * @throws DataBusyError if `options.data` must not wait
 */
export async function computeMerge(
  repoPath: string,
  target: string,
  source: string,
  base: string | null = null,
  drivers: AppliedDrivers | null = NO_DRIVERS,
  options: MergeOptions = {},
): Promise<ComputedMerge> {
  const { data, ...process } = options;
  if (data === undefined) return mergeCommits(repoPath, { target, source, base }, drivers, process);
  try {
    // A stop ends git, too.
    const stoppable = { ...options, signal: data.signal };
    return await mergeCommits(repoPath, { target, source, base }, drivers, stoppable);
  } catch (error) {
    data.signal.throwIfAborted();
    throw error;
  }
}

async function mergeCommits(
  repoPath: string,
  { target, source, base }: { target: string; source: string; base: string | null },
  drivers: AppliedDrivers | null,
  options: MergeOptions,
): Promise<ComputedMerge> {
  const { data: _data, ...process } = options;
  const { known, merge: disjoint } = await tryDisjoint(repoPath, target, source, base, drivers);
  if (disjoint) return disjoint;
  const [merged, bases] = await Promise.all([
    mergeTree(
      repoPath,
      { target, source, base, attributes: drivers ? EMPTY_TREE : target },
      process,
    ),
    known === null ? mergeBases(repoPath, target, source, process) : [known],
  ]);
  const output = parseMergeTree(merged.stdout.toString("latin1"));
  if (output === null || merged.exitCode === 128) {
    if (bases.length === 0) throw new UnrelatedHistoriesError();
    throw new GitError("exit", merged.exitCode, merged.stderr, ["merge-tree", target, source]);
  }
  const conflicts =
    merged.exitCode === 0
      ? []
      : groupConflicts(
          output,
          { target, source },
          (await mayBeRenamed(repoPath, output, bases))
            ? await readRenames(repoPath, target, source, bases)
            : { target: new Map(), source: new Map() },
        );
  const upToDate = bases.includes(source);
  const merge: ComputedMerge = {
    target,
    source,
    bases,
    tree: output.tree,
    conflicts,
    upToDate,
    drivers,
    driverFiles: [],
    toRegenerate: [],
  };
  return drivers === null ? merge : applyDrivers(repoPath, merge, options);
}

/**
 * Same as `computeMerge` for two commits that changed different files; null for others, where git has to
 * merge.
 */
export async function computeDisjointMerge(
  repoPath: string,
  target: string,
  source: string,
  drivers: AppliedDrivers | null,
): Promise<ComputedMerge | null> {
  return (await tryDisjoint(repoPath, target, source, null, drivers)).merge;
}

/** Merges without git if possible, and returns the only merge base, if it is known. */
async function tryDisjoint(
  repoPath: string,
  target: string,
  source: string,
  base: string | null,
  drivers: AppliedDrivers | null,
): Promise<{ known: string | null; merge: ComputedMerge | null }> {
  for (const sha of [target, source, ...(base === null ? [] : [base])]) assertOid(sha);
  const known = base ?? (await compareHistories(repoPath, { source, target }))?.base ?? null;
  const tree = known && (await mergeDisjoint(repoPath, { base: known, target, source }));
  if (known === null || tree === null) return { known, merge: null };
  const upToDate = known === source;
  const none = { conflicts: [], driverFiles: [], toRegenerate: [] };
  return { known, merge: { target, source, bases: [known], tree, upToDate, drivers, ...none } };
}

async function mergeBases(
  repoPath: string,
  target: string,
  source: string,
  process: ProcessOptions,
): Promise<string[]> {
  const args = ["merge-base", "--all", target, source];
  const { stdout } = await git(args, { gitDir: repoPath, okExitCodes: [0, 1], ...process });
  return stdout.toString("latin1").split("\n").filter(Boolean);
}

/**
 * Runs the merge. Rare combinations of renames trigger an assertion in git (seen in 2.47:
 * merge-ort.c, `newinfo && !newinfo->merged.clean`; later versions fixed several). The retry
 * detects exact renames only, which avoids most of them.
 */
async function mergeTree(
  repoPath: string,
  {
    target,
    source,
    base,
    attributes,
  }: { target: string; source: string; base: string | null; attributes: string },
  process: ProcessOptions,
): Promise<{ exitCode: number; stdout: Buffer; stderr: string }> {
  const from = base === null ? [] : [`--merge-base=${base}`];
  const args = [
    `--attr-source=${attributes}`,
    "merge-tree",
    "--write-tree",
    "-z",
    "--messages",
    ...from,
  ];
  const options = {
    gitDir: repoPath,
    timeoutMs: MERGE_MS,
    okExitCodes: [0, 1, 128],
    ...process,
  };
  try {
    return await git([...args, target, source], options);
  } catch (error) {
    if (!(error instanceof GitError) || !CRASHED.test(error.stderr)) throw error;
    return git([...args, "-X", "find-renames=100%", target, source], options);
  }
}

const CRASHED = /^git: .*Assertion `|^BUG: /m;

/**
 * Tells whether a conflict lies at a path that a base lacks: only such a path can be a rename
 * target.
 */
async function mayBeRenamed(
  repoPath: string,
  { entries, messages }: MergeTreeOutput,
  bases: readonly string[],
): Promise<boolean> {
  const named = messages.filter(({ conflict }) => conflict).flatMap(({ paths }) => paths);
  const paths = new Set([...entries.map(({ path }) => path), ...named]);
  const trees = new TreeReader(repoPath);
  await trees.load(bases.map((tree) => ({ tree, paths })));
  return [...paths].some((path) => bases.some((base) => trees.findFile(base, path) === null));
}
