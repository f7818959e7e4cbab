/** Pending ref updates of pushes, and the commits they add to workspaces. */
import { and, asc, eq, inArray, isNull, sql } from "drizzle-orm";
import type { Origin } from "../../../../db/audit/audit.js";
import { newId } from "../../../../db/tables/columns.js";
import { isHome } from "../../../../cluster/home-of.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { projects } from "../../../../db/tables/tables.js";
import {
  pendingPushes,
  workspaceCommits,
  workspaces,
} from "../../../../db/tables/workspace-tables.js";
import type { LineCommit } from "#git/diff/diff.js";

/** A pending ref update. */
export interface PendingPush {
  id: string;
  org_id: string;
  project_id: string;
  /** The agent of a workspace's branch; null for other branches and tags. */
  agent_id: string | null;
  ref: string;
  old_sha: string | null;
  new_sha: string;
  origin: Origin;
}

const columns = {
  id: pendingPushes.id,
  org_id: pendingPushes.org_id,
  project_id: pendingPushes.project_id,
  agent_id: pendingPushes.agent_id,
  ref: pendingPushes.ref,
  old_sha: pendingPushes.old_sha,
  new_sha: pendingPushes.new_sha,
  origin: pendingPushes.origin,
};

/** Whether a project is not deleted. With the organization's lock held, the answer stays valid. */
export async function isActiveProject(tx: Queryable, projectId: string): Promise<boolean> {
  const rows = await tx
    .select({ id: projects.id })
    .from(projects)
    .where(and(eq(projects.id, projectId), isNull(projects.deleted_at)));
  return rows.length === 1;
}

/** Returns the agent whose workspace currently has the branch. */
export async function findAgentOfBranch(
  tx: Queryable,
  projectId: string,
  branch: string,
): Promise<string | undefined> {
  const [row] = await tx
    .select({ agent_id: workspaces.agent_id })
    .from(workspaces)
    .where(
      and(
        eq(workspaces.project_id, projectId),
        eq(workspaces.branch_name, branch),
        sql`${workspaces.status} not in ('archived', 'expired')`,
      ),
    );
  return row?.agent_id;
}

export async function insertPendingPushes(
  tx: Queryable,
  pushes: readonly PendingPush[],
): Promise<void> {
  if (pushes.length > 0) await tx.insert(pendingPushes).values([...pushes]);
}

/** Inserts pending commits of a workspace; those of its earlier life are inserted again. */
export async function insertPushedCommits(
  tx: Queryable,
  { org_id, agent_id }: { org_id: string; agent_id: string },
  commits: readonly LineCommit[],
): Promise<void> {
  const rows = commits.map(({ sha, parent, tree, message, stats }) => ({
    id: newId(),
    org_id,
    agent_id,
    commit_sha: sha,
    parent_sha: parent,
    tree_sha: tree,
    commit_type: "manual" as const,
    message: message.slice(0, 8192),
    ...stats,
    state: "pending" as const,
  }));
  if (rows.length === 0) return;
  await tx
    .insert(workspaceCommits)
    .values(rows)
    .onConflictDoUpdate({
      target: [workspaceCommits.agent_id, workspaceCommits.commit_sha],
      set: {
        id: sql`excluded.id`,
        commit_type: sql`excluded.commit_type`,
        iteration: null,
        state: sql`excluded.state`,
        created_at: sql`clock_timestamp()`,
      },
    });
}

/** Whether a commit is recorded as one of a workspace; with its lock held and nothing pending, it is on the branch. */
export async function isRecorded(tx: Queryable, agentId: string, sha: string): Promise<boolean> {
  const rows = await tx
    .select({ id: workspaceCommits.id })
    .from(workspaceCommits)
    .where(
      and(
        eq(workspaceCommits.agent_id, agentId),
        eq(workspaceCommits.commit_sha, sha),
        eq(workspaceCommits.state, "recorded"),
      ),
    );
  return rows.length === 1;
}

export async function findPendingPush(tx: Queryable, id: string): Promise<PendingPush | undefined> {
  const [row] = await tx.select(columns).from(pendingPushes).where(eq(pendingPushes.id, id));
  return row;
}

/** Finds the pending push to a workspace's branch. Under the workspace's lock there is at most one. */
export async function findPendingPushTo(
  tx: Queryable,
  agentId: string,
): Promise<PendingPush | undefined> {
  const [row] = await tx
    .select(columns)
    .from(pendingPushes)
    .where(eq(pendingPushes.agent_id, agentId));
  return row;
}

/** Lists pending pushes of all organizations, oldest first. Requires a system transaction. */
export async function listPendingPushes(
  db: Queryable,
  nodeId: string,
): Promise<{ org_id: string; id: string }[]> {
  return db
    .select({ org_id: pendingPushes.org_id, id: pendingPushes.id })
    .from(pendingPushes)
    .where(isHome(nodeId, pendingPushes.project_id))
    .orderBy(asc(pendingPushes.created_at));
}

/** Records that a workspace's branch contains its pending commits. */
export async function recordPushedCommits(
  tx: Queryable,
  agentId: string,
  head: string,
): Promise<void> {
  const ofAgent = eq(workspaceCommits.agent_id, agentId);
  await tx
    .update(workspaceCommits)
    .set({ state: "recorded" })
    .where(and(ofAgent, eq(workspaceCommits.state, "pending")));
  await tx
    .update(workspaces)
    .set({
      head_commit: head,
      head_tree: sql`(select c.tree_sha from workspace_commits c where c.agent_id = ${agentId} and c.commit_sha = ${head})`,
      updated_at: sql`now()`,
    })
    .where(eq(workspaces.agent_id, agentId));
}

/** Deletes pending commits that did not reach a workspace. */
export async function deletePushedCommits(tx: Queryable, agentId: string): Promise<void> {
  await tx
    .delete(workspaceCommits)
    .where(and(eq(workspaceCommits.agent_id, agentId), eq(workspaceCommits.state, "pending")));
}

export async function deletePendingPushes(tx: Queryable, ids: readonly string[]): Promise<void> {
  if (ids.length > 0) await tx.delete(pendingPushes).where(inArray(pendingPushes.id, [...ids]));
}

export async function findProjectName(tx: Queryable, id: string): Promise<string> {
  const [row] = await tx.select({ name: projects.name }).from(projects).where(eq(projects.id, id));
  return row?.name ?? id;
}
