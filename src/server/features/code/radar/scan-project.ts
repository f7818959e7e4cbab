/** Detects conflicts between a project's workspaces before they are merged. */
import { setImmediate as immediate } from "node:timers/promises";
import type { Database } from "../../../db/connection/connect.js";
import type { StoredConflict } from "../../../db/tables/workspace-tables.js";
import {
  conflictInvolves,
  mayConflict,
  type ChangedPaths,
  type ReadChangedPaths,
} from "#git/diff/changed-paths.js";
import {
  currentDrivers,
  UnrelatedHistoriesError,
  type AppliedDrivers,
  type DataProcesses,
} from "#git/merge/merge.js";
import { mergeBase, resolveCommit } from "#git/store/repository.js";
import { GitError } from "#git/process/run.js";
import { withTempRepository } from "#git/store/bare-repository.js";
import type { Storage } from "../../../data-folder/storage.js";
import { branchRef, predictConflicts, yieldToForeground } from "../workspaces/index.js";
import * as queries from "./radar.queries.js";
import { pairKeyText, type ScannedWorkspace, type PairKey, type Scan } from "./radar.queries.js";

/** Scans of a project follow each other. */
export const radarLock = (projectId: string): string => `radar ${projectId}`;

export interface ScanDeps {
  db: Database;
  storage: Storage;
  dataProcesses: DataProcesses;
  /** Reads changed paths between commits, cached across scans. */
  changedPaths: ReadChangedPaths;
}

export interface ScanTarget {
  org_id: string;
  project_id: string;
}

/** Maximum number of stored conflicts per pair, and of paths per conflict. */
const MAX_CONFLICTS = 50;
const keptPaths = 20;

/**
 * Scans the heads of all active workspaces of a project. Known pairs of commits are not computed again,
 * and pairs that change no common path are skipped. One process at a time scans a project; the next one
 * finds the results.
 */
export function scanProject(
  deps: ScanDeps,
  project: ScanTarget,
  signal: AbortSignal,
): Promise<void> {
  return deps.db.locks(project.org_id, [radarLock(project.project_id)], async () => {
    const { org_id, project_id } = project;
    const [lines, keys, drivers] = await deps.db.tenant(org_id, async (tx) => [
      await queries.listActiveWorkspaces(tx, project_id),
      await queries.listPairKeys(tx, project_id),
      await queries.findMergeDrivers(tx, project_id),
    ]);
    const repoPath = deps.storage.repository(org_id, project_id);
    const work: ReadWork = (from, to) => deps.changedPaths(repoPath, from, to);
    const scans = await findForkPoints(repoPath, lines, signal);
    const known = new Map(keys.map((key) => [pairKeyText(key), key]));
    const needed = new Map<string, PairKey>();
    for await (const key of candidatePairs(scans, work)) {
      signal.throwIfAborted();
      needed.set(pairKeyText(key), key);
    }
    const missing = [...needed].filter(([text]) => !known.has(text)).map(([, key]) => key);
    if (missing.length > 0) {
      await withTempRepository(repoPath, async (scratch) => {
        for (const key of missing) {
          await yieldToForeground(signal);
          signal.throwIfAborted();
          const input = { ...project, drivers: currentDrivers(drivers) };
          const found = await computePair(deps, scratch, input, key, work, signal);
          await deps.db.tenant(org_id, async (tx) => {
            if (!(await queries.lockMergeDrivers(tx, project_id, drivers))) return;
            const stored = found.slice(0, MAX_CONFLICTS);
            await queries.insertPair(tx, project, key, stored, found.length);
          });
        }
      });
    }
    const stale = [...known].filter(([text]) => !needed.has(text)).map(([, key]) => key);
    await deps.db.tenant(org_id, async (tx) => {
      // Other drivers start another scan.
      if (!(await queries.lockMergeDrivers(tx, project_id, drivers))) return;
      const before = await queries.fingerprints(tx, project_id);
      await queries.replaceScans(tx, project, scans);
      const after = await queries.fingerprints(tx, project_id);
      const all = new Set([...before.keys(), ...after.keys()]);
      const changes = [...all]
        .filter((id) => before.get(id) !== after.get(id))
        .map((agent_id): queries.ConflictChange => {
          if (!before.has(agent_id)) return { agent_id, type: "conflict.predicted" };
          const isOver = !after.has(agent_id);
          return { agent_id, type: isOver ? "conflict.resolved" : "conflict.changed" };
        });
      await queries.notifyConflictChanges(tx, org_id, changes);
      await queries.deletePairs(tx, project_id, stale);
    });
  });
}

type ReadWork = (from: string, to: string) => Promise<ChangedPaths | null>;

/** Finds where each workspace diverged from its base branch. */
async function findForkPoints(
  repoPath: string,
  lines: readonly ScannedWorkspace[],
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
    if (!isKnown) await yieldToForeground(signal);
    const fork_commit = isKnown
      ? last.fork_commit
      : base && (await mergeBase(repoPath, base, line.head_commit, { background: true, signal }));
    scans.push({ ...line, base_commit: base, fork_commit });
  }
  return scans;
}

/** Yields the pairs that change common paths, so that git has to check them for conflicts. */
async function* candidatePairs(scans: readonly Scan[], workOf: ReadWork): AsyncGenerator<PairKey> {
  const lines: { head: string; fork: string; work: ChangedPaths | null }[] = [];
  for (const { head_commit: head, base_commit: base, fork_commit: fork } of scans) {
    if (base === null || fork === null || head === fork) continue;
    // Yields to the event loop, because many workspaces take long.
    await immediate();
    const work = await workOf(fork, head);
    if (base !== fork && mayConflict(work, await workOf(fork, base))) {
      yield { source_commit: head, source_fork: fork, target_commit: base, target_fork: fork };
    }
    for (const other of lines) {
      if (other.head === head || !mayConflict(work, other.work)) continue;
      // The order of the two must not depend on which comes first.
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

/** Computes conflicts between the two sides' own work, excluding commits from their base branches. */
async function computePair(
  deps: ScanDeps,
  scratch: string,
  project: ScanTarget & { drivers: AppliedDrivers },
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
    const merge = { ...project, source, target };
    const found = await predictConflicts(deps, scratch, merge, { background: true, signal });
    return found
      .filter(
        ({ paths }) => conflictInvolves(sourceWork, paths) && conflictInvolves(targetWork, paths),
      )
      .map((conflict) => ({ ...conflict, paths: conflict.paths.slice(0, keptPaths) }));
  } catch (error) {
    const isRefused =
      error instanceof UnrelatedHistoriesError ||
      (error instanceof GitError && error.reason === "exit");
    if (!isRefused) throw error;
    return [{ paths: [], kind: "unknown", winner: null, source_time: null, target_time: null }];
  }
}
