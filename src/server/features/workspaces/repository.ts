import { and, asc, desc, eq, max, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import type { Commit, Merge, MergeStrategy, Workspace } from "#shared/api/workspaces.js";
import { newId } from "../../db/columns.js";
import type { Queryable } from "../../db/connect.js";
import {
  agents,
  merges,
  projects,
  receivedCommits,
  workspaceCommits,
  workspaces,
} from "../../db/tables.js";

const parents = alias(agents, "parent");

const workspaceColumns = {
  agent_id: workspaces.agent_id,
  agent_name: agents.name,
  org_id: workspaces.org_id,
  project_id: workspaces.project_id,
  branch_name: workspaces.branch_name,
  base_branch: workspaces.base_branch,
  workspace_type: workspaces.workspace_type,
  parent_agent_id: workspaces.parent_agent_id,
  parent_agent_name: parents.name,
  parent_commit: workspaces.parent_commit,
  head_commit: workspaces.head_commit,
  head_tree: workspaces.head_tree,
  status: workspaces.status,
  error: workspaces.error,
  merge_strategy: workspaces.merge_strategy,
  auto_checkpoint: workspaces.auto_checkpoint,
  retention_days: workspaces.retention_days,
  commits: sql<number>`(select count(*)::int from workspace_commits c where c.agent_id = ${workspaces.agent_id} and c.state = 'recorded')`,
  merges: sql<number>`(select count(*)::int from merges g where g.agent_id = ${workspaces.agent_id} and g.state = 'done')`,
  conflicts_resolved: sql<number>`(select coalesce(sum(jsonb_array_length(g.resolutions)), 0)::int from merges g where g.agent_id = ${workspaces.agent_id} and g.state = 'done')`,
  created_at: workspaces.created_at,
  updated_at: workspaces.updated_at,
};

/** A workspace as stored, with the names and counts that the API shows. */
export type WorkspaceRow = {
  agent_id: string;
  agent_name: string;
  org_id: string;
  project_id: string;
  branch_name: string;
  base_branch: string;
  workspace_type: Workspace["workspace_type"];
  parent_agent_id: string | null;
  parent_agent_name: string | null;
  parent_commit: string | null;
  head_commit: string | null;
  head_tree: string | null;
  status: Workspace["status"];
  error: string | null;
  merge_strategy: MergeStrategy;
  auto_checkpoint: boolean;
  retention_days: number;
  commits: number;
  merges: number;
  conflicts_resolved: number;
  created_at: string;
  updated_at: string;
};

export async function findWorkspace(
  tx: Queryable,
  agentId: string,
): Promise<WorkspaceRow | undefined> {
  const [row] = await tx
    .select(workspaceColumns)
    .from(workspaces)
    .innerJoin(agents, eq(agents.id, workspaces.agent_id))
    .leftJoin(parents, eq(parents.id, workspaces.parent_agent_id))
    .where(eq(workspaces.agent_id, agentId));
  return row;
}

/** What making a workspace needs to know of its agent and project. */
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

/** Reserves the agent's workspace; false where it has one. One that failed is begun anew. */
export async function reserveWorkspace(
  tx: Queryable,
  values: {
    agent_id: string;
    org_id: string;
    project_id: string;
    branch_name: string;
    base_branch: string;
    parent_agent_id: string | null;
    merge_strategy: MergeStrategy;
  },
): Promise<boolean> {
  const reserved = await tx
    .insert(workspaces)
    .values({ ...values, status: "creating" })
    .onConflictDoUpdate({
      target: workspaces.agent_id,
      set: { ...values, status: "creating", error: null, updated_at: sql`now()` },
      setWhere: sql`${workspaces.status} = 'failed'`,
    })
    .returning({ agent_id: workspaces.agent_id });
  return reserved.length === 1;
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
      | "merge_strategy"
      | "auto_checkpoint"
      | "retention_days"
    >
  >,
): Promise<void> {
  await tx
    .update(workspaces)
    .set({ ...changes, updated_at: sql`now()` })
    .where(eq(workspaces.agent_id, agentId));
}

const commitColumns = {
  commit_sha: workspaceCommits.commit_sha,
  commit_type: workspaceCommits.commit_type,
  iteration: workspaceCommits.iteration,
  files_changed: workspaceCommits.files_changed,
  additions: workspaceCommits.additions,
  deletions: workspaceCommits.deletions,
  message: workspaceCommits.message,
  created_at: workspaceCommits.created_at,
};
const recorded = eq(workspaceCommits.state, "recorded");

export async function listCommits(
  tx: Queryable,
  agentId: string,
  after: readonly string[] | null,
  limit: number,
): Promise<(Commit & { id: string })[]> {
  return tx
    .select({ id: workspaceCommits.id, ...commitColumns })
    .from(workspaceCommits)
    .where(
      and(
        eq(workspaceCommits.agent_id, agentId),
        recorded,
        after === null
          ? undefined
          : sql`(${workspaceCommits.created_at}, ${workspaceCommits.id}) < (${after[0]}::timestamptz, ${after[1]}::uuid)`,
      ),
    )
    .orderBy(desc(workspaceCommits.created_at), desc(workspaceCommits.id))
    .limit(limit);
}

export async function findCommit(
  tx: Queryable,
  agentId: string,
  sha: string,
): Promise<{ commit: Commit; parent_sha: string } | undefined> {
  const [row] = await tx
    .select({ ...commitColumns, parent_sha: workspaceCommits.parent_sha })
    .from(workspaceCommits)
    .where(
      and(eq(workspaceCommits.agent_id, agentId), eq(workspaceCommits.commit_sha, sha), recorded),
    );
  if (!row) return undefined;
  const { parent_sha, ...commit } = row;
  return { commit, parent_sha };
}

export async function nextIteration(tx: Queryable, agentId: string): Promise<number> {
  const [row] = await tx
    .select({ last: max(workspaceCommits.iteration) })
    .from(workspaceCommits)
    .where(and(eq(workspaceCommits.agent_id, agentId), recorded));
  return (row?.last ?? 0) + 1;
}

/** Writes that a commit is about to become the branch's head. */
export async function insertPendingCommit(
  tx: Queryable,
  values: Omit<typeof workspaceCommits.$inferInsert, "id" | "state" | "created_at">,
): Promise<void> {
  await tx.insert(workspaceCommits).values({ id: newId(), ...values, state: "pending" });
}

/** Records that the branch holds the commit: it is the workspace's head, received now. */
export async function recordCommit(
  tx: Queryable,
  workspace: { org_id: string; project_id: string; agent_id: string },
  sha: string,
): Promise<Commit> {
  const ofAgent = eq(workspaceCommits.agent_id, workspace.agent_id);
  const done = tx.$with("done").as(
    tx
      .update(workspaceCommits)
      .set({ state: "recorded" })
      .where(and(ofAgent, eq(workspaceCommits.commit_sha, sha)))
      .returning({ ...commitColumns, tree_sha: workspaceCommits.tree_sha }),
  );
  const received = tx
    .$with("received")
    .as(receiving(tx, workspace.org_id, workspace.project_id, sha));
  const moved = tx.$with("moved").as(
    tx
      .update(workspaces)
      .set({
        head_commit: sha,
        head_tree: sql`(select tree_sha from done)`,
        updated_at: sql`now()`,
      })
      .where(eq(workspaces.agent_id, workspace.agent_id))
      .returning({ agent_id: workspaces.agent_id }),
  );
  // One statement: all parts of it are carried out, also those that nothing reads.
  const [row] = await tx.with(done, received, moved).select().from(done);
  if (!row) throw new Error(`the commit ${sha} was not written as pending`);
  const { tree_sha: _tree, ...commit } = row;
  return commit;
}

export async function deletePendingCommit(
  tx: Queryable,
  agentId: string,
  sha: string,
): Promise<void> {
  await tx
    .delete(workspaceCommits)
    .where(
      and(
        eq(workspaceCommits.agent_id, agentId),
        eq(workspaceCommits.commit_sha, sha),
        eq(workspaceCommits.state, "pending"),
      ),
    );
}

/** The commits of a workspace whose end is not known, in the order they were made. */
export async function listPendingCommits(tx: Queryable, agentId: string): Promise<string[]> {
  const rows = await tx
    .select({ sha: workspaceCommits.commit_sha })
    .from(workspaceCommits)
    .where(and(eq(workspaceCommits.agent_id, agentId), eq(workspaceCommits.state, "pending")))
    .orderBy(asc(workspaceCommits.created_at));
  return rows.map(({ sha }) => sha);
}

/** Notes when the server first received a commit; a later time changes nothing. */
export async function receiveCommit(
  tx: Queryable,
  orgId: string,
  projectId: string,
  sha: string,
): Promise<void> {
  await receiving(tx, orgId, projectId, sha);
}

function receiving(tx: Queryable, orgId: string, projectId: string, sha: string) {
  return tx
    .insert(receivedCommits)
    .values({
      org_id: orgId,
      project_id: projectId,
      commit_sha: sha,
      received_at: sql<string>`clock_timestamp()`,
    })
    .onConflictDoNothing()
    .returning({ commit_sha: receivedCommits.commit_sha });
}

/** When commits were received; imported ones are missing, see `importedAt`. */
export async function receivedTimes(
  tx: Queryable,
  projectId: string,
  shas: string[],
): Promise<Map<string, { at: string; sequence: number }>> {
  const rows = await tx
    .select({
      sha: receivedCommits.commit_sha,
      at: receivedCommits.received_at,
      sequence: receivedCommits.sequence,
    })
    .from(receivedCommits)
    .where(
      and(
        eq(receivedCommits.project_id, projectId),
        sql`${receivedCommits.commit_sha} = any(${sql.param(shas)}::text[])`,
      ),
    );
  return new Map(rows.map(({ sha, at, sequence }) => [sha, { at, sequence }]));
}

/** When a project's imported history was received. */
export async function importedAt(tx: Queryable, projectId: string): Promise<string> {
  const [row] = await tx
    .select({ imported_at: projects.imported_at, created_at: projects.created_at })
    .from(projects)
    .where(eq(projects.id, projectId));
  return row?.imported_at ?? row?.created_at ?? new Date(0).toISOString();
}

/** Workspaces whose making was cut off, and commits that were, of all organizations. Needs system work. */
export async function listUnfinished(db: Queryable) {
  const creating = await db
    .select({ org_id: workspaces.org_id, agent_id: workspaces.agent_id })
    .from(workspaces)
    .where(eq(workspaces.status, "creating"));
  const commits = await db
    .select({
      org_id: workspaceCommits.org_id,
      agent_id: workspaceCommits.agent_id,
      commit_sha: workspaceCommits.commit_sha,
    })
    .from(workspaceCommits)
    .where(eq(workspaceCommits.state, "pending"))
    .orderBy(asc(workspaceCommits.created_at));
  const unfinishedMerges = await db
    .select({ org_id: merges.org_id, id: merges.id })
    .from(merges)
    .where(eq(merges.state, "pending"))
    .orderBy(asc(merges.created_at));
  return { creating, commits, merges: unfinishedMerges };
}

const mergeColumns = {
  id: merges.id,
  merge_commit_sha: merges.merge_commit,
  source_branch: merges.source_branch,
  target_branch: merges.target_branch,
  status: merges.status,
  resolution_strategy: merges.strategy,
  resolutions: merges.resolutions,
  reverted_by: merges.reverted_by,
  created_at: merges.created_at,
};

type MergeRow = Omit<Merge, "total_conflicts" | "conflicts_resolved"> & { id: string };

/** A merge as the API shows it. */
function mergeOf(row: MergeRow): Merge & { id: string } {
  return {
    ...row,
    total_conflicts: row.resolutions.length,
    conflicts_resolved: row.resolutions.flatMap(({ paths }) => paths),
  };
}

export async function listMerges(
  tx: Queryable,
  agentId: string,
  after: readonly string[] | null,
  limit: number,
): Promise<(Merge & { id: string })[]> {
  const rows = await tx
    .select(mergeColumns)
    .from(merges)
    .where(
      and(
        eq(merges.agent_id, agentId),
        eq(merges.state, "done"),
        after === null
          ? undefined
          : sql`(${merges.created_at}, ${merges.id}) < (${after[0]}::timestamptz, ${after[1]}::uuid)`,
      ),
    )
    .orderBy(desc(merges.created_at), desc(merges.id))
    .limit(limit);
  return rows.map(mergeOf);
}

export async function findMerge(
  tx: Queryable,
  agentId: string,
  id: string,
): Promise<(Merge & { id: string }) | undefined> {
  const [row] = await tx
    .select(mergeColumns)
    .from(merges)
    .where(and(eq(merges.id, id), eq(merges.agent_id, agentId), eq(merges.state, "done")));
  return row && mergeOf(row);
}

export async function insertPendingMerge(
  tx: Queryable,
  values: Omit<typeof merges.$inferInsert, "state" | "created_at">,
): Promise<void> {
  await tx.insert(merges).values({ ...values, state: "pending" });
}

/** A merge whose end is not known, to be settled. */
export async function findPendingMerge(tx: Queryable, id: string) {
  const [row] = await tx
    .select({
      id: merges.id,
      org_id: merges.org_id,
      project_id: merges.project_id,
      agent_id: merges.agent_id,
      target_branch: merges.target_branch,
      merge_commit: merges.merge_commit,
    })
    .from(merges)
    .where(and(eq(merges.id, id), eq(merges.state, "pending")));
  return row;
}

/** Records that the target branch holds the merge commit, received now. */
export async function recordMerge(
  tx: Queryable,
  merge: { id: string; org_id: string; project_id: string; merge_commit: string },
): Promise<void> {
  await tx.update(merges).set({ state: "done" }).where(eq(merges.id, merge.id));
  await receiveCommit(tx, merge.org_id, merge.project_id, merge.merge_commit);
}

export async function deletePendingMerge(tx: Queryable, id: string): Promise<void> {
  await tx.delete(merges).where(and(eq(merges.id, id), eq(merges.state, "pending")));
}
