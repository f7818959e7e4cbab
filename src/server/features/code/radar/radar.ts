import type { Logger } from "pino";
import type { Radar, RadarPair, RadarSide } from "#shared/api/code/radar.js";
import { homeOf } from "../../../cluster/home-of.js";
import type { Queryable } from "../../../db/connection/connect.js";
import type { StoredConflict } from "../../../db/tables/workspace-tables.js";
import { resolveCommit } from "#git/store/repository.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import type { Jobs } from "../../../jobs/queue.js";
import { branchRef, projectOfWorkspace } from "../workspaces/index.js";
import * as queries from "./radar.queries.js";
import type { ScanDeps, ScanTarget } from "./scan-project.js";

/** Maximum pairs shown per project, and conflicts shown per pair; a workspace shows all stored ones. */
const MAX_PROJECT_PAIRS = 500;
const projectConflicts = 5;

/**
 * Returns the pairs that conflict with a workspace, whose side is `one`.
 * @throws AppError 404, 410
 */
export async function readWorkspaceRadar(
  deps: ScanDeps,
  context: OrgContext,
  agentId: string,
): Promise<Radar> {
  const projectId = await context.tx((tx) => projectOfWorkspace(tx, agentId));
  const radar = await readRadar(deps, context, projectId, agentId);
  return { ...radar, pairs: radar.pairs.map((pair) => orientPair(pair, agentId)) };
}

/**
 * Returns the conflicting pairs of a project; an agent sees its own workspace's.
 * @throws AppError 404
 */
export async function readProjectRadar(
  deps: ScanDeps,
  context: OrgContext,
  projectId: string,
): Promise<Radar> {
  const radar = await readRadar(deps, context, projectId, context.actor.agent?.id ?? null);
  const pairs = radar.pairs.map((pair) => ({
    ...pair,
    conflicts: pair.conflicts.slice(0, projectConflicts),
  }));
  return { ...radar, pairs };
}

async function readRadar(
  deps: ScanDeps,
  context: OrgContext,
  projectId: string,
  agentId: string | null,
): Promise<Radar> {
  const { scans, rows } = await context.tx(async (tx: Queryable) => ({
    scans: await queries.listScans(tx, projectId),
    rows: await queries.listConflicts(tx, projectId, agentId, MAX_PROJECT_PAIRS),
  }));
  const repoPath = deps.storage.repository(context.orgId, projectId);
  const branches = [...new Set(scans.map(({ base_branch }) => base_branch))];
  const tips = new Map<string, string | null>();
  for (const branch of branches) tips.set(branch, await resolveCommit(repoPath, branchRef(branch)));
  return {
    is_current: scans.every(
      (scan) =>
        scan.scanned_head === scan.head_commit &&
        scan.scanned_base_branch === scan.base_branch &&
        scan.scanned_base === tips.get(scan.base_branch),
    ),
    looked_at: scans.reduce<string | null>(
      (last, { scanned_at: at }) => (at !== null && (last === null || at > last) ? at : last),
      null,
    ),
    workspaces: scans.length,
    total_pairs: rows[0]?.total ?? 0,
    pairs: rows.map(pairOf),
  };
}

function pairOf(row: queries.ConflictRow): RadarPair {
  const one: RadarSide = {
    agent_id: row.source_agent,
    agent_name: row.source_name,
    branch_name: row.source_branch,
    commit_sha: row.source_commit,
  };
  const other: RadarSide = {
    agent_id: row.target_agent,
    agent_name: row.target_name,
    branch_name: row.target_branch,
    commit_sha: row.target_commit,
  };
  const foreseen = ({ paths, kind, winner, source_time, target_time }: StoredConflict) => ({
    paths,
    kind,
    winner: winner && (winner === "source" ? ("one" as const) : ("other" as const)),
    one_time: source_time,
    other_time: target_time,
  });
  return {
    one,
    other,
    total_conflicts: row.total_conflicts,
    conflicts: row.conflicts.map(foreseen),
  };
}

/** Returns the pair with the agent's workspace first. */
function orientPair(pair: RadarPair, agentId: string): RadarPair {
  if (pair.one.agent_id === agentId) return pair;
  return {
    ...pair,
    one: pair.other,
    other: pair.one,
    conflicts: pair.conflicts.map(({ winner, one_time, other_time, ...conflict }) => ({
      ...conflict,
      winner: winner && (winner === "one" ? "other" : "one"),
      one_time: other_time,
      other_time: one_time,
    })),
  };
}

/** A scan waits until a project has had no change for this long. */
const QUIET_MS = 1000;
/** A project that keeps changing is scanned this long after its first change. */
const MAX_DELAY_MS = 5000;

/**
 * Schedules a scan of each project of this node whose branches changed, for any of its processes. Changes in quick
 * succession cause one scan after the last, so that a scan does not compete with the merges and commits
 * that would make it stale. After missed changes, schedules all stale projects.
 */
export function startRadar(
  deps: ScanDeps,
  jobs: Pick<Jobs, "send">,
  log: Logger,
): { stop(): void } {
  /** Changed projects, with the time of their first change. */
  const waiting = new Map<string, { since: number; timer: NodeJS.Timeout }>();
  let retry: NodeJS.Timeout | undefined;
  const sendStale = (): void => {
    clearTimeout(retry);
    const send = async (): Promise<void> => {
      const { db } = deps;
      const stale = await db.withSystem("find changed projects", (tx) =>
        queries.listStaleProjects(tx, db.node.id),
      );
      for (const target of stale) await jobs.send("scan-project", target);
    };
    send().catch((error: unknown) => {
      log.warn({ err: error }, "cannot scan for conflicts between workspaces");
    });
  };
  /** Finds missed changes once the database has answered again. */
  const recover = (): void => {
    clearTimeout(retry);
    retry = setTimeout(sendStale, QUIET_MS).unref();
  };
  /** Each node is notified of all changes, and scans its own projects. */
  const sendOwn = async (target: ScanTarget): Promise<void> => {
    if ((await homeOf(deps.db, target.project_id)) !== deps.db.node.id) return;
    await jobs.send("scan-project", target);
  };
  const schedule = (target: ScanTarget): void => {
    const { project_id } = target;
    const before = waiting.get(project_id);
    clearTimeout(before?.timer);
    const now = performance.now();
    const since = before?.since ?? now;
    const delay = Math.max(0, Math.min(QUIET_MS, since + MAX_DELAY_MS - now));
    const timer = setTimeout(() => {
      waiting.delete(project_id);
      sendOwn(target).catch(recover);
    }, delay).unref();
    waiting.set(project_id, { since, timer });
  };
  const unsubscribe = deps.db.changes.subscribe((change) => {
    if (change === null) recover();
    else if (change.table === "radar_due" && change.orgId !== null && change.id !== null) {
      schedule({ org_id: change.orgId, project_id: change.id });
    }
  });
  recover();
  return {
    stop: () => {
      unsubscribe();
      clearTimeout(retry);
      for (const { timer } of waiting.values()) clearTimeout(timer);
    },
  };
}
