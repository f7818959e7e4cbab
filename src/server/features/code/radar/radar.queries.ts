import { and, eq, sql, type SQL } from "drizzle-orm";
import type { MergeDriver } from "#shared/code/merge-drivers.js";
import { isHome } from "../../../cluster/home-of.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { agents, projects } from "../../../db/tables/tables.js";
import {
  radarPairs,
  radarScans,
  workspaces,
  type StoredConflict,
} from "../../../db/tables/workspace-tables.js";

/** The scanned state of a workspace. */
export interface Scan {
  agent_id: string;
  base_branch: string;
  head_commit: string;
  /** Null when the base branch no longer exists. */
  base_commit: string | null;
  /** The merge base of the two. */
  fork_commit: string | null;
}

/** An active workspace with the result of its last scan. */
export type ScannedWorkspace = Pick<Scan, "agent_id" | "base_branch" | "head_commit"> & {
  last: Pick<Scan, "head_commit" | "base_commit" | "fork_commit"> | null;
};

/** Two commits, each with the commit where its own work begins. */
export interface PairKey {
  source_commit: string;
  source_fork: string;
  target_commit: string;
  target_fork: string;
}

export const pairKeyText = (key: PairKey): string =>
  `${key.source_commit} ${key.source_fork} ${key.target_commit} ${key.target_fork}`;

/** Lists a project's active workspaces, most recently changed first. */
export async function listActiveWorkspaces(
  tx: Queryable,
  projectId: string,
): Promise<ScannedWorkspace[]> {
  const rows = await tx
    .select({
      agent_id: workspaces.agent_id,
      base_branch: workspaces.base_branch,
      head_commit: workspaces.head_commit,
      last: {
        head_commit: radarScans.head_commit,
        base_commit: radarScans.base_commit,
        fork_commit: radarScans.fork_commit,
      },
    })
    .from(workspaces)
    .leftJoin(radarScans, eq(radarScans.agent_id, workspaces.agent_id))
    .where(and(eq(workspaces.project_id, projectId), eq(workspaces.status, "active")))
    .orderBy(sql`${workspaces.updated_at} desc, ${workspaces.agent_id}`);
  return rows.flatMap((row) =>
    row.head_commit === null ? [] : [{ ...row, head_commit: row.head_commit }],
  );
}

const pairColumns = {
  source_commit: radarPairs.source_commit,
  source_fork: radarPairs.source_fork,
  target_commit: radarPairs.target_commit,
  target_fork: radarPairs.target_fork,
};

/** Returns a project's merge drivers; none for a deleted project. */
export async function findMergeDrivers(tx: Queryable, projectId: string): Promise<MergeDriver[]> {
  const [row] = await tx
    .select({ drivers: projects.merge_drivers })
    .from(projects)
    .where(eq(projects.id, projectId));
  return row?.drivers ?? [];
}

/**
 * Whether the project still has these merge drivers. They stay until the transaction ends, so that a
 * change voids what the transaction writes (trigger `reset_radar`).
 */
export async function lockMergeDrivers(
  tx: Queryable,
  projectId: string,
  drivers: MergeDriver[],
): Promise<boolean> {
  const { rows } = await tx.execute(sql`
    select from projects where id = ${projectId} and merge_drivers = ${JSON.stringify(drivers)}::jsonb
    for share`);
  return rows.length > 0;
}

/** Lists a project's computed pairs. */
export function listPairKeys(tx: Queryable, projectId: string): Promise<PairKey[]> {
  return tx.select(pairColumns).from(radarPairs).where(eq(radarPairs.project_id, projectId));
}

export async function insertPair(
  tx: Queryable,
  project: { org_id: string; project_id: string },
  key: PairKey,
  conflicts: StoredConflict[],
  total: number,
): Promise<void> {
  await tx
    .insert(radarPairs)
    .values({ ...project, ...key, conflicts, total_conflicts: total })
    .onConflictDoNothing();
}

export async function deletePairs(
  tx: Queryable,
  projectId: string,
  keys: readonly PairKey[],
): Promise<void> {
  if (keys.length === 0) return;
  const list = JSON.stringify(keys);
  await tx.execute(sql`
    delete from radar_pairs p using jsonb_to_recordset(${list}::jsonb)
      as k (source_commit text, source_fork text, target_commit text, target_fork text)
    where p.project_id = ${projectId}
      and (p.source_commit, p.source_fork, p.target_commit, p.target_fork)
        = (k.source_commit, k.source_fork, k.target_commit, k.target_fork)`);
}

/** Replaces a project's scan results. */
export async function replaceScans(
  tx: Queryable,
  project: { org_id: string; project_id: string },
  scans: readonly Scan[],
): Promise<void> {
  const { org_id, project_id } = project;
  const list = JSON.stringify(scans);
  await tx.execute(sql`
    delete from radar_scans where project_id = ${project_id}
      and agent_id <> all (select (j ->> 'agent_id')::uuid from jsonb_array_elements(${list}::jsonb) j)`);
  // A workspace that was removed meanwhile has no row to reference.
  await tx.execute(sql`
    insert into radar_scans (agent_id, org_id, project_id, head_commit, base_branch, base_commit,
      fork_commit, scanned_at)
    select s.agent_id, ${org_id}::uuid, ${project_id}::uuid, s.head_commit, s.base_branch,
      s.base_commit, s.fork_commit, now()
    from jsonb_to_recordset(${list}::jsonb) as s (agent_id uuid, head_commit text, base_branch text,
      base_commit text, fork_commit text)
    join workspaces w on w.agent_id = s.agent_id
    on conflict (agent_id) do update set head_commit = excluded.head_commit,
      base_branch = excluded.base_branch, base_commit = excluded.base_commit,
      fork_commit = excluded.fork_commit, scanned_at = excluded.scanned_at`);
}

/**
 * Both kinds of pairs: two workspaces, and a workspace with its base branch, which has no agent.
 * @param projects selects the ids of their projects
 */
export const pairsIn = (projects: SQL) => sql`
  select p.*, s.agent_id as source_agent, t.agent_id as target_agent, t.base_branch as target_branch
  from radar_pairs p
  join radar_scans s on s.project_id = p.project_id
    and s.head_commit = p.source_commit and s.fork_commit = p.source_fork
  join lateral (
    select o.agent_id, null::text as base_branch from radar_scans o
    where o.project_id = p.project_id and o.agent_id <> s.agent_id
      and o.head_commit = p.target_commit and o.fork_commit = p.target_fork
    union all
    select null, s.base_branch
    where s.base_commit = p.target_commit and s.fork_commit = p.target_fork
  ) t on true
  where p.project_id in (${projects}) and p.total_conflicts > 0`;
const pairsOf = (projectId: string) => pairsIn(sql`${projectId}::uuid`);

/** Returns a comparable text of each workspace's conflicts. */
export async function fingerprints(tx: Queryable, projectId: string): Promise<Map<string, string>> {
  const { rows } = await tx.execute<{ agent_id: string; print: string }>(sql`
    with pairs as (${pairsOf(projectId)}), each_side as (
      select source_agent as agent_id, target_agent as other, md5(conflicts::text) as what from pairs
      union all
      select target_agent, source_agent, md5(conflicts::text) from pairs where target_agent is not null
    )
    select agent_id, md5(string_agg(concat_ws(' ', other, what), ',' order by other, what)) as print
    from each_side group by agent_id`);
  return new Map(rows.map(({ agent_id, print }) => [agent_id, print]));
}

/** A change of a workspace's conflicts. */
export interface ConflictChange {
  agent_id: string;
  type: "conflict.predicted" | "conflict.changed" | "conflict.resolved";
}

/** Notifies listeners that workspaces' conflicts have changed, and records an event for each. */
export async function notifyConflictChanges(
  tx: Queryable,
  orgId: string,
  changes: readonly ConflictChange[],
): Promise<void> {
  if (changes.length === 0) return;
  await tx.execute(sql`
    select pg_notify('omoi_changes', format('radar_conflicts %s %s', ${orgId}::text, c.agent_id)),
      record_event(gen_random_uuid(), ${orgId}::uuid, c.type, c.agent_id, jsonb_build_object(
        'organization_id', ${orgId}::uuid,
        'subject', jsonb_build_object('type', 'agent', 'id', a.id, 'name', left(a.name, 255)),
        'actor', null, 'conflict', event_agent(a.id)))
    from jsonb_to_recordset(${JSON.stringify(changes)}::jsonb) as c(agent_id uuid, type text)
    join agents a on a.id = c.agent_id`);
}

/** A conflicting pair, with the names shown by the API. */
export type ConflictRow = PairKey & {
  conflicts: StoredConflict[];
  total_conflicts: number;
  source_agent: string;
  source_name: string;
  source_branch: string;
  target_agent: string | null;
  target_name: string | null;
  target_branch: string;
  total: number;
};

/** Lists the conflicting pairs of a project or of one workspace, most conflicts first. */
export async function listConflicts(
  tx: Queryable,
  projectId: string,
  agentId: string | null,
  limit: number,
): Promise<ConflictRow[]> {
  const { rows } = await tx.execute<ConflictRow & Record<string, unknown>>(sql`
    select p.source_commit, p.source_fork, p.target_commit, p.target_fork, p.conflicts,
      p.total_conflicts, p.source_agent, sa.name as source_name, sw.branch_name as source_branch,
      p.target_agent, ta.name as target_name, coalesce(tw.branch_name, p.target_branch) as target_branch,
      count(*) over ()::int as total
    from (${pairsOf(projectId)}) p
    join workspaces sw on sw.agent_id = p.source_agent and sw.status = 'active'
    join agents sa on sa.id = p.source_agent
    left join workspaces tw on tw.agent_id = p.target_agent
    left join agents ta on ta.id = p.target_agent
    where (p.target_agent is null or tw.status = 'active')
      and (${agentId}::uuid is null or ${agentId}::uuid in (p.source_agent, p.target_agent))
    order by p.total_conflicts desc, source_name, target_name nulls first limit ${limit}`);
  return rows;
}

/** Returns the scans of the project's active workspaces. */
export function listScans(tx: Queryable, projectId: string) {
  return tx
    .select({
      agent_id: workspaces.agent_id,
      head_commit: workspaces.head_commit,
      base_branch: workspaces.base_branch,
      scanned_head: radarScans.head_commit,
      scanned_base_branch: radarScans.base_branch,
      scanned_base: radarScans.base_commit,
      scanned_at: radarScans.scanned_at,
    })
    .from(workspaces)
    .innerJoin(agents, eq(agents.id, workspaces.agent_id))
    .leftJoin(radarScans, eq(radarScans.agent_id, workspaces.agent_id))
    .where(and(eq(workspaces.project_id, projectId), eq(workspaces.status, "active")));
}

/** Lists projects of a node with changes that were not scanned. Requires a system transaction. */
export async function listStaleProjects(
  db: Queryable,
  nodeId: string,
): Promise<{ org_id: string; project_id: string }[]> {
  const { rows } = await db.execute<{ org_id: string; project_id: string }>(sql`
    select distinct w.org_id, w.project_id from workspaces w
    left join radar_scans s on s.agent_id = w.agent_id
    where w.status = 'active' and ${isHome(nodeId, sql`w.project_id`)} and (s.head_commit is distinct from w.head_commit
      or s.base_branch <> w.base_branch
      or exists (select from received_commits r
        where r.project_id = w.project_id and r.received_at > s.scanned_at))`);
  return rows;
}
