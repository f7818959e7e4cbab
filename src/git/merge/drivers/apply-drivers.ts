/** Applies a project's merge drivers to the files that both sides of a merge changed. */
import { driverOf } from "#shared/code/merge-drivers.js";
import { readObjects } from "../../objects/object-reader.js";
import { patchTree } from "../../objects/patch-tree.js";
import { TreeReader, type TreeEntry } from "../../objects/tree-reader.js";
import { type ProcessOptions, git } from "../../process/run.js";
import { displayPath } from "../../files/safe-folder.js";
import type { ComputedMerge, Conflict, FileToRegenerate } from "../merge-conflicts.js";
import { DataBusyError, type DataMerges } from "./data/data-merges.js";
import {
  byLines,
  DRIVERS_VERSION,
  NO_DRIVERS,
  type DriverFile,
  type DriverResult,
} from "./applied-drivers.js";
import { findCandidates, type Candidate } from "./find-candidates.js";
import { mergeFileData, type DataOptions } from "./merge-file-data.js";
import { resolveRegenerated, sortConflicts } from "./resolve-regenerated.js";
import { diffAlgorithm, EMPTY_BLOB } from "../merged-text.js";

/** How a merge runs. */
export interface MergeOptions extends ProcessOptions {
  /** The data merges of the operation, whose signal replaces `signal`; required for a merge with drivers. */
  data?: DataMerges;
}

/** Maximum number of files per merge, in the order of their paths; git merges the lines of others. */
const MAX_DRIVER_FILES = 200;
/** Maximum bytes of one version of a file, and of all versions of all files. */
const MAX_FILE_BYTES = 8 * 1024 * 1024;
const MAX_ALL_BYTES = 64 * 1024 * 1024;
/** Maximum number of regenerated files per merge: a command gets their paths in a variable. */
const MAX_REGENERATED = 20;

/**
 * Returns the merge with the results of the drivers: files that a driver merged have no conflict, and
 * files whose data conflict have one, also where git merged their lines.
 * @throws GitError, MergesUnavailableError
 * @throws DataBusyError if `data` must not wait
 */
export async function applyDrivers(
  repoPath: string,
  merge: ComputedMerge,
  { data, ...process }: MergeOptions,
): Promise<ComputedMerge> {
  const { drivers, version } = merge.drivers ?? NO_DRIVERS;
  if (version !== DRIVERS_VERSION) throw new Error(`unknown version ${version} of merge drivers`);
  if (drivers.length === 0 || merge.upToDate) return merge;
  const trees = new TreeReader(repoPath);
  const found = await findCandidates(repoPath, merge, trees, (path) => driverOf(drivers, path));
  const files: DriverFile[] = [];
  const edits = new Map<string, TreeEntry>();
  const conflicts = new Set(merge.conflicts);
  const lines = new Set(merge.drivers?.lines);
  const toRegenerate: FileToRegenerate[] = [];
  for (const candidate of found) {
    const { path, driver, mode, target, conflict } = candidate;
    if (driver.driver !== "regenerate") continue;
    const name = displayPath(path);
    const isText = Buffer.from(name, "utf8").toString("latin1") === path;
    if (!isText || toRegenerate.length >= MAX_REGENERATED) {
      const reason = isText
        ? `A merge regenerates at most ${MAX_REGENERATED} files.`
        : "Its path is not UTF-8.";
      files.push({ path: name, driver: driver.driver, result: "lines", reason });
      continue;
    }
    if (conflict) conflicts.delete(conflict);
    toRegenerate.push({
      path,
      name,
      driver,
      target: { mode, oid: target.oid },
      conflict: conflict ?? conflictOf(candidate),
    });
  }
  const candidates = found
    .filter(({ driver }) => driver.driver !== "regenerate")
    .slice(0, MAX_DRIVER_FILES);
  const results =
    candidates.length === 0 ? [] : await runDrivers(repoPath, candidates, lines, process, data);
  for (const [index, candidate] of candidates.entries()) {
    const { path, driver, conflict } = candidate;
    const outcome = results[index] as DriverResult;
    const reason = outcome.result === "merged" ? null : outcome.reason;
    files.push({ path: displayPath(path), driver: driver.driver, result: outcome.result, reason });
    if (outcome.result === "lines") continue;
    if (conflict) conflicts.delete(conflict);
    if (outcome.result === "merged") {
      edits.set(path, { mode: candidate.mode, oid: outcome.oid });
    } else {
      conflicts.add({ ...(conflict ?? conflictOf(candidate)), reason: outcome.reason });
    }
  }
  const { regenerated } = merge.drivers ?? NO_DRIVERS;
  const applied: ComputedMerge = {
    ...merge,
    drivers: { ...merge.drivers, version, drivers, lines: [...lines].sort() },
    driverFiles: files.sort((a, b) => (a.path < b.path ? -1 : 1)),
    toRegenerate,
    conflicts: sortConflicts(conflicts),
    tree: edits.size === 0 ? merge.tree : await patchTree(repoPath, merge.tree, edits, trees),
  };
  return toRegenerate.length === 0 || regenerated === undefined
    ? applied
    : resolveRegenerated(repoPath, applied, regenerated);
}

/** Runs the drivers of the files, within the limits of size and time. */
async function runDrivers(
  repoPath: string,
  candidates: readonly Candidate[],
  lines: Set<string>,
  process: ProcessOptions,
  data: DataMerges | undefined,
  waits = data?.waits ?? true,
): Promise<DriverResult[]> {
  if (data === undefined) throw new Error("a merge with drivers needs processes for them");
  try {
    return await runInOrder(repoPath, candidates, lines, process, { data, waits });
  } catch (error) {
    if (error instanceof DataBusyError) {
      error.awaitResults = async () => {
        await runDrivers(repoPath, candidates, new Set(lines), process, data, true);
      };
    }
    throw error;
  }
}

async function runInOrder(
  repoPath: string,
  candidates: readonly Candidate[],
  lines: Set<string>,
  process: ProcessOptions,
  options: DataOptions,
): Promise<DriverResult[]> {
  const versions = candidates.map(({ base, target, source }) =>
    [base, target, source].flatMap((entry) => (entry ? [entry.oid] : [])),
  );
  const sizes = new Map<string, number>();
  for (const found of await readObjects(repoPath, [...new Set(versions.flat())], "info")) {
    if (found) sizes.set(found.oid, found.size);
  }
  const run = async (candidate: Candidate, bytes: number): Promise<DriverResult> => {
    if (candidate.driver.driver === "union") return mergeUnion(repoPath, candidate, process);
    const path = displayPath(candidate.path);
    const result = lines.has(path)
      ? null
      : await mergeFileData(repoPath, candidate, bytes, options);
    if (result !== null) return result;
    lines.add(path);
    return byLines("Merging its data takes too much time or memory.");
  };
  let all = 0;
  const results: DriverResult[] = [];
  for (const [index, candidate] of candidates.entries()) {
    const bytes = (versions[index] ?? []).map((oid) => sizes.get(oid) ?? Infinity);
    const sum = bytes.reduce((total, size) => total + size, 0);
    if (candidate.ambiguous) {
      results.push(byLines("The merge bases have different versions of it."));
    } else if (Math.max(...bytes) > MAX_FILE_BYTES) {
      results.push(byLines("It is larger than 8 MiB."));
    } else if (all + sum > MAX_ALL_BYTES) {
      results.push(byLines("The files of this merge are larger than 64 MiB together."));
    } else {
      all += sum;
      results.push(await run(candidate, sum));
    }
  }
  return results;
}

/** The conflict of a file whose lines git merged. */
function conflictOf({ path, origin, base, target, source }: Candidate): Conflict {
  const versions = [base, target, source].map((entry, index) => ({
    entry,
    stage: (index + 1) as 1 | 2 | 3,
  }));
  const entries = versions.flatMap(({ entry, stage }) =>
    entry === null ? [] : [{ path, stage, ...entry }],
  );
  const paths = origin === null ? [path] : [path, origin].sort();
  return {
    paths: paths.map(displayPath).sort(),
    kind: base === null ? "add/add" : "modify/modify",
    entries: entries.map((entry) => ({ ...entry, path: displayPath(path) })),
    detail: {
      entries: entries.map((entry) => ({ ...entry, placed: path })),
      paths,
      origins: origin === null ? {} : { [path]: [origin] },
      clashes: [],
    },
  };
}

/** The exit code of `git merge-file` for binary files. */
const FAILED = 255;

/**
 * Merges a file by lines; where both sides changed the same lines, the target's come first.
 * @throws GitError
 */
async function mergeUnion(
  repoPath: string,
  { base, target, source }: Pick<Candidate, "base" | "target" | "source">,
  process: ProcessOptions,
): Promise<DriverResult> {
  const options = ["--object-id", "--union", "--quiet", ...(await diffAlgorithm())];
  const { stdout, exitCode } = await git(
    ["merge-file", ...options, target.oid, base?.oid ?? EMPTY_BLOB, source.oid],
    { gitDir: repoPath, okExitCodes: [0, FAILED], ...process },
  );
  if (exitCode === FAILED) return byLines("It is a binary file.");
  return { result: "merged", oid: stdout.toString("latin1").trim() };
}
