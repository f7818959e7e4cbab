import { and, asc, eq, inArray, ne, notInArray, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import type { MergeStrategy } from "#shared/api/code/merges.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import type { MergeDriver } from "#shared/code/merge-drivers.js";
import { isHome, isHomeOfAgent } from "../../../cluster/home-of.js";
import { reusable, type Queryable } from "../../../db/connection/connect.js";
import type { UidRange } from "#sandbox/uid-range.js";
import { agents, projects, protectedBranches, runs } from "../../../db/tables/tables.js";
import {
  archives,
  checkpointChecks,
  merges,
  workspaceCommits,
  workspaceDiskUsage,
  workspaces,
} from "../../../db/tables/workspace-tables.js";

const parents = alias(agents, "parent");

/** Whether its branch is being merged or waits for it. */
export const isMerging = sql<boolean>`exists (select from merges_under_way m where m.agent_id = ${workspaces.agent_id} and m.until > now())`;

const workspaceColumns = {
  agent_id: workspaces.agent_id,
  agent_name: agents.name,
  task_title: agents.task_title,
  org_id: workspaces.org_id,
  project_id: workspaces.project_id,
  branch_name: workspaces.branch_name,
  base_branch: workspaces.base_branch,
  workspace_type: workspaces.workspace_type,
  parent_agent_id: workspaces.parent_agent_id,
  parent_agent_name: parents.name,
  parent_commit: workspaces.parent_commit,
  start_commit: workspaces.start_commit,
  head_commit: workspaces.head_commit,
  head_tree: workspaces.head_tree,
  status: workspaces.status,
  is_merging: isMerging,
  error: workspaces.error,
  /** The folder's size when last measured. */
  disk_bytes: workspaceDiskUsage.bytes,
  disk_measured_at: workspaceDiskUsage.measured_at,
  /** The driver that made its folder, while it has one. */
  folder_driver: workspaces.folder_driver,
  /** The restorable archive, while it is archived. */
  archive_id: archives.id,
  archived_at: archives.archived_at,
  retention_ends_at: sql<
    string | null
  >`${archives.archived_at} + make_interval(days => ${workspaces.retention_days})`.mapWith(
    archives.archived_at,
  ),
  merge_strategy: workspaces.merge_strategy,
  /** The rules of the project's branches. */
  protected_branches: protectedBranches,
  auto_checkpoint: workspaces.auto_checkpoint,
  checkpoint_interval_minutes: workspaces.checkpoint_interval_minutes,
  retention_days: workspaces.retention_days,
  /** Whether it waits for the layer of its environment; null if that is undecided. */
  environment_state: workspaces.environment_state,
  /** The build for which it waits, or whose layer it has. */
  environment_build_id: workspaces.environment_build_id,
  /** The failure of the last automatic checkpoint. */
  checkpoint_failed_at: checkpointChecks.failed_at,
  checkpoint_error_code: checkpointChecks.error_code,
  checkpoint_error: checkpointChecks.error,
  /** Pending commits in their order. */
  pending_commits: sql<
    string[]
  >`array(select c.commit_sha from workspace_commits c where c.agent_id = ${workspaces.agent_id} and c.state = 'pending' order by c.created_at)`,
  /** The project's. */
  merge_drivers: sql<
    MergeDriver[]
  >`(select p.merge_drivers from projects p where p.id = ${workspaces.project_id})`,
  created_at: workspaces.created_at,
  updated_at: workspaces.updated_at,
};

/** A stored workspace with the names shown by the API. */
export type WorkspaceRow = Awaited<ReturnType<typeof workspaceOf>>[number];

export async function findWorkspace(
  tx: Queryable,
  agentId: string,
): Promise<WorkspaceRow | undefined> {
  const [row] = await workspaceOf(tx, { agentId });
  return row;
}

const workspaceOf = reusable((tx) =>
  tx
    .select(workspaceColumns)
    .from(workspaces)
    .innerJoin(agents, eq(agents.id, workspaces.agent_id))
    .innerJoin(projects, eq(projects.id, workspaces.project_id))
    .leftJoin(parents, eq(parents.id, workspaces.parent_agent_id))
    .leftJoin(archives, eq(archives.id, workspaces.archive_id))
    .leftJoin(workspaceDiskUsage, eq(workspaceDiskUsage.agent_id, workspaces.agent_id))
    .leftJoin(checkpointChecks, eq(checkpointChecks.agent_id, workspaces.agent_id))
    .where(eq(workspaces.agent_id, sql.placeholder("agentId")))
    .prepare("find a workspace"),
);

/** Whether a managed run may be writing in the agent's folder. */
export async function hasManagedRun(tx: Queryable, agentId: string): Promise<boolean> {
  const rows = await tx
    .select({ id: runs.id })
    .from(runs)
    .where(and(eq(runs.agent_id, agentId), eq(runs.kind, "managed"), eq(runs.status, "running")));
  return rows.length > 0;
}

/** Returns the branches that workspaces of a project have or are based on, and its default branch. */
export async function listUsedBranches(tx: Queryable, projectId: string): Promise<Set<string>> {
  const { rows } = await tx.execute<{ name: string }>(sql`
    select branch_name as name from workspaces where project_id = ${projectId}
    union select base_branch from workspaces where project_id = ${projectId}
    union select default_branch from projects where id = ${projectId}`);
  return new Set(rows.map(({ name }) => name));
}

/** Counts the operations in a workspace. */
export async function countOperations(
  tx: Queryable,
  agentId: string,
): Promise<{ commits: number; merges: number; conflicts_resolved: number }> {
  const [row] = await tx
    .select({
      commits: sql<number>`(select count(*)::int from workspace_commits c where c.agent_id = ${agentId} and c.state = 'recorded' and c.created_at >= workspaces.created_at)`,
      merges: sql<number>`(select count(*)::int from merges g where g.agent_id = ${agentId} and g.state = 'done' and g.kind = 'merge')`,
      conflicts_resolved: sql<number>`(select coalesce(sum(jsonb_array_length(g.resolutions)), 0)::int from merges g where g.agent_id = ${agentId} and g.state = 'done')`,
    })
    .from(workspaces)
    .where(eq(workspaces.agent_id, agentId));
  return row ?? { commits: 0, merges: 0, conflicts_resolved: 0 };
}

/**
 * Returns a project's default branch and, for the agent's own project, the agent's branch, its base and
 * its parent's.
 */
export async function listBranchesOfAgent(
  tx: Queryable,
  agentId: string,
  projectId: string,
): Promise<string[]> {
  const { rows } = await tx.execute<{ branches: string[] }>(sql`
    select array_remove(array[p.default_branch, w.branch_name, w.base_branch, parent.branch_name], null)
      as branches
    from projects p
    left join workspaces w on w.agent_id = ${agentId} and w.project_id = p.id
    left join workspaces parent on parent.agent_id = w.parent_agent_id
    where p.id = ${projectId}`);
  return rows[0]?.branches ?? [];
}

/** Reads the agent's and project's fields needed to create a workspace. */
export async function findAgentForWorkspace(tx: Queryable, agentId: string) {
  const [row] = await tx
    .select({
      name: agents.name,
      project_id: agents.project_id,
      parent_agent_id: agents.parent_agent_id,
      terminated_at: agents.terminated_at,
      project_status: projects.status,
      default_branch: projects.default_branch,
    })
    .from(agents)
    .innerJoin(projects, eq(projects.id, agents.project_id))
    .where(eq(agents.id, agentId));
  return row;
}

/**
 * Reserves the agent's workspace and returns its row; undefined if it has one. A failed or archived one
 * starts anew; its archive stays but is no longer restorable.
 */
export async function reserveWorkspace(
  tx: Queryable,
  values: {
    agent_id: string;
    org_id: string;
    project_id: string;
    branch_name: string;
    base_branch: string;
    workspace_type: Workspace["workspace_type"];
    parent_agent_id: string | null;
    merge_strategy: MergeStrategy;
    /** The commit of a forge that it begins with, in place of the base branch's newest. */
    start_commit?: string | null;
  },
): Promise<typeof workspaces.$inferSelect | undefined> {
  const [reserved] = await tx
    .insert(workspaces)
    .values({ ...values, status: "creating" })
    .onConflictDoUpdate({
      target: workspaces.agent_id,
      set: {
        ...values,
        start_commit: values.start_commit ?? null,
        status: "creating",
        error: null,
        archive_id: null,
        created_at: sql`now()`,
        updated_at: sql`now()`,
      },
      setWhere: sql`${workspaces.status} in ('failed', 'archived', 'expired')`,
    })
    .returning();
  return reserved;
}

export async function updateWorkspace(
  tx: Queryable,
  agentId: string,
  changes: Partial<
    Pick<
      typeof workspaces.$inferInsert,
      | "base_branch"
      | "parent_commit"
      | "head_commit"
      | "head_tree"
      | "status"
      | "error"
      | "archive_id"
      | "folder_driver"
      | "merge_strategy"
      | "auto_checkpoint"
      | "checkpoint_interval_minutes"
      | "retention_days"
      | "environment_state"
      | "environment_build_id"
    >
  >,
): Promise<void> {
  const hasNoFolder = changes.status === "archived" || changes.status === "expired";
  await tx
    .update(workspaces)
    .set({ ...changes, ...(hasNoFolder ? { run_uid: null } : {}), updated_at: sql`now()` })
    .where(eq(workspaces.agent_id, agentId));
}

/**
 * Returns the workspace's uid in the range, assigning a free one if needed; null when the range is
 * exhausted. Requires a system transaction, because uids are unique in the installation.
 */
export async function assignRunUid(
  db: Queryable,
  agentId: string,
  { first, last }: UidRange,
): Promise<number | null> {
  const isFree = sql`not exists (select from workspaces w where w.run_uid = c.uid)`;
  // A few random tries find one unless the range is nearly exhausted.
  const { rows } = await db.execute<{ run_uid: number | null }>(sql`
    update workspaces set run_uid = case when run_uid between ${first} and ${last} then run_uid else coalesce(
      (select c.uid from
        (select ${first}::int + floor(random() * ${last - first + 1})::int as uid from generate_series(1, 8)) c
        where ${isFree} limit 1),
      (select c.uid from generate_series(${first}::int, ${last}::int) c (uid) where ${isFree} limit 1))
    end
    where agent_id = ${agentId} returning run_uid`);
  return rows[0]?.run_uid ?? null;
}

/**
 * Lists interrupted work of a node: workspaces being created, archived or restored, commits and merges.
 * Requires a system transaction.
 */
export async function listUnfinished(db: Queryable, nodeId: string) {
  const unfinishedWorkspaces = await db
    .select({
      org_id: workspaces.org_id,
      agent_id: workspaces.agent_id,
      status: workspaces.status,
    })
    .from(workspaces)
    .where(
      and(
        inArray(workspaces.status, ["creating", "archiving", "restoring"]),
        isHome(nodeId, workspaces.project_id),
      ),
    );
  const commits = await db
    .select({
      org_id: workspaceCommits.org_id,
      agent_id: workspaceCommits.agent_id,
      commit_sha: workspaceCommits.commit_sha,
    })
    .from(workspaceCommits)
    .where(
      and(eq(workspaceCommits.state, "pending"), isHomeOfAgent(nodeId, workspaceCommits.agent_id)),
    )
    .orderBy(asc(workspaceCommits.created_at));
  const unfinishedMerges = await db
    .select({ org_id: merges.org_id, id: merges.id })
    .from(merges)
    .where(and(eq(merges.state, "pending"), isHome(nodeId, merges.project_id)))
    .orderBy(asc(merges.created_at));
  return { workspaces: unfinishedWorkspaces, commits, merges: unfinishedMerges };
}

/** The fields that determine a workspace's paths. */
export type PlacedRow = Pick<WorkspaceRow, "org_id" | "project_id" | "agent_id" | "agent_name">;

/** Lists workspaces of a node whose folders are or should be mounted. Requires a system transaction. */
export async function listOverlays(db: Queryable, nodeId: string): Promise<PlacedRow[]> {
  const { org_id, project_id, agent_id, agent_name } = workspaceColumns;
  return db
    .select({ org_id, project_id, agent_id, agent_name })
    .from(workspaces)
    .innerJoin(agents, eq(agents.id, workspaces.agent_id))
    .where(
      and(
        ne(workspaces.folder_driver, "checkout"),
        eq(workspaces.status, "active"),
        isHome(nodeId, workspaces.project_id),
      ),
    );
}

/** Lists agents of a project whose workspaces may have a folder. */
export async function listWorkspacesToRemove(tx: Queryable, projectId: string): Promise<string[]> {
  const rows = await tx
    .select({ agent_id: workspaces.agent_id })
    .from(workspaces)
    .where(and(eq(workspaces.project_id, projectId), ne(workspaces.status, "expired")));
  return rows.map((row) => row.agent_id);
}

/** Returns the agents of a project's workspace branches by name. */
export async function agentsOfBranches(
  tx: Queryable,
  projectId: string,
): Promise<Map<string, string>> {
  const rows = await tx
    .select({ name: workspaces.branch_name, agent_id: workspaces.agent_id })
    .from(workspaces)
    .where(
      and(
        eq(workspaces.project_id, projectId),
        notInArray(workspaces.status, ["archived", "expired"]),
      ),
    );
  return new Map(rows.map(({ name, agent_id }) => [name, agent_id]));
}
