/** Looking for what would conflict between the workspaces of a project, before anybody merges. */
import { setImmediate as immediate } from "node:timers/promises";
import type { Database } from "../../db/connection/connect.js";
import type { StoredConflict } from "../../db/tables/workspace-tables.js";
import {
  isAbout,
  mayConflict,
  type ChangedPaths,
  type ReadChangedPaths,
} from "#git/diff/changed-paths.js";
import { UnrelatedHistoriesError } from "#git/merge/merge.js";
import { mergeBase, resolveCommit } from "#git/store/repository.js";
import { GitError } from "#git/process/run.js";
import { withTempRepository } from "#git/store/temp-repository.js";
import type { Storage } from "../../data-folder/storage.js";
import { branchRef, foreseeConflicts } from "../workspaces/index.js";
import * as queries from "./radar.queries.js";
import { textOf, type Line, type PairKey, type Scan } from "./radar.queries.js";

export interface ScanDeps {
  db: Database;
  storage: Storage;
  /** What changed between commits, with a memory from one scan to the next. */
  changedPaths: ReadChangedPaths;
}

export interface ScanTarget {
  org_id: string;
  project_id: string;
}

/** So many of a pair's conflicts are kept, and so many paths of each. */
const keptConflicts = 50;
const keptPaths = 20;

/**
 * Looks at the heads of all active workspaces of a project. What is known of a pair of commits is not
 * computed again, and pairs whose work touches nothing in common are not computed at all. One process at
 * a time looks at a project; who comes after it finds all known.
 */
export function scanProject(
  deps: ScanDeps,
  project: ScanTarget,
  signal: AbortSignal,
): Promise<void> {
  return deps.db.locks(project.org_id, [`radar ${project.project_id}`], async () => {
    const { org_id, project_id } = project;
    const [lines, keys] = await deps.db.tenant(org_id, async (tx) => [
      await queries.listLines(tx, project_id),
      await queries.listPairKeys(tx, project_id),
    ]);
    const repoPath = deps.storage.repository(org_id, project_id);
    const work: ReadWork = (from, to) => deps.changedPaths(repoPath, from, to);
    const scans = await forksOf(repoPath, lines, signal);
    const known = new Map(keys.map((key) => [textOf(key), key]));
    const needed = new Map<string, PairKey>();
    for await (const key of candidates(scans, work)) {
      signal.throwIfAborted();
      needed.set(textOf(key), key);
    }
    const missing = [...needed].filter(([text]) => !known.has(text)).map(([, key]) => key);
    if (missing.length > 0) {
      await withTempRepository(repoPath, async (scratch) => {
        for (const key of missing) {
          signal.throwIfAborted();
          const found = await computePair(deps, scratch, project, key, work, signal);
          await deps.db.tenant(org_id, (tx) =>
            queries.insertPair(tx, project, key, found.slice(0, keptConflicts), found.length),
          );
        }
      });
    }
    const stale = [...known].filter(([text]) => !needed.has(text)).map(([, key]) => key);
    await deps.db.tenant(org_id, async (tx) => {
      const before = await queries.fingerprints(tx, project_id);
      await queries.replaceScans(tx, project, scans);
      const after = await queries.fingerprints(tx, project_id);
      const all = new Set([...before.keys(), ...after.keys()]);
      const changed = [...all].filter((id) => before.get(id) !== after.get(id));
      await queries.tellConflicts(tx, org_id, changed);
      await queries.deletePairs(tx, project_id, stale);
    });
  });
}

type ReadWork = (from: string, to: string) => Promise<ChangedPaths | null>;

/** Where each line of work parted from its base branch. */
async function forksOf(
  repoPath: string,
  lines: readonly Line[],
  signal: AbortSignal,
): Promise<Scan[]> {
  const tips = new Map<string, string | null>();
  for (const branch of new Set(lines.map(({ base_branch }) => base_branch))) {
    tips.set(branch, await resolveCommit(repoPath, branchRef(branch)));
  }
  const scans: Scan[] = [];
  for (const { last, ...line } of lines) {
    signal.throwIfAborted();
    const base = tips.get(line.base_branch) ?? null;
    const isKnown = last?.head_commit === line.head_commit && last.base_commit === base;
    const fork_commit = isKnown
      ? last.fork_commit
      : base && (await mergeBase(repoPath, base, line.head_commit));
    scans.push({ ...line, base_commit: base, fork_commit });
  }
  return scans;
}

/** The pairs whose own work meets somewhere, so that git has to say whether it conflicts. */
async function* candidates(scans: readonly Scan[], workOf: ReadWork): AsyncGenerator<PairKey> {
  const lines: { head: string; fork: string; work: ChangedPaths | null }[] = [];
  for (const { head_commit: head, base_commit: base, fork_commit: fork } of scans) {
    if (base === null || fork === null || head === fork) continue;
    // With many workspaces this takes its time: others get their turn.
    await immediate();
    const work = await workOf(fork, head);
    if (base !== fork && mayConflict(work, await workOf(fork, base))) {
      yield { source_commit: head, source_fork: fork, target_commit: base, target_fork: fork };
    }
    for (const other of lines) {
      if (other.head === head || !mayConflict(work, other.work)) continue;
      // The order of the two has to be the same whoever comes first.
      const [source, target] =
        head < other.head ? [{ head, fork }, other] : [other, { head, fork }];
      yield {
        source_commit: source.head,
        source_fork: source.fork,
        target_commit: target.head,
        target_fork: target.fork,
      };
    }
    lines.push({ head, fork, work });
  }
}

/** Conflicts between the two sides' own work: what came to one of them by its base is not its own. */
async function computePair(
  deps: ScanDeps,
  scratch: string,
  { org_id, project_id }: ScanTarget,
  key: PairKey,
  workOf: ReadWork,
  signal: AbortSignal,
): Promise<StoredConflict[]> {
  const { source_commit: source, target_commit: target } = key;
  const [sourceWork, targetWork] = [
    await workOf(key.source_fork, source),
    await workOf(key.target_fork, target),
  ];
  try {
    const merge = { org_id, project_id, source, target };
    const found = await foreseeConflicts(deps, scratch, merge, signal);
    return found
      .filter(({ paths }) => isAbout(sourceWork, paths) && isAbout(targetWork, paths))
      .map((conflict) => ({ ...conflict, paths: conflict.paths.slice(0, keptPaths) }));
  } catch (error) {
    const isRefused =
      error instanceof UnrelatedHistoriesError ||
      (error instanceof GitError && error.reason === "exit");
    if (!isRefused) throw error;
    return [{ paths: [], kind: "unknown", winner: null, source_time: null, target_time: null }];
  }
}
