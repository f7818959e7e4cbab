import { and, desc, eq, notInArray, sql } from "drizzle-orm";
import type { Queryable } from "../../../db/connection/connect.js";
import { agents, projects } from "../../../db/tables/tables.js";
import { merges, workspaceCommits, workspaces } from "../../../db/tables/workspace-tables.js";

/** Reads the project fields the graph needs. */
export async function findProject(tx: Queryable, id: string) {
  const [row] = await tx
    .select({ status: projects.status, default_branch: projects.default_branch })
    .from(projects)
    .where(eq(projects.id, id));
  return row;
}

/** Lists workspaces with a branch, most recently changed first. */
export function listWorkspaces(tx: Queryable, projectId: string, limit: number) {
  return tx
    .select({
      branch_name: workspaces.branch_name,
      base_branch: workspaces.base_branch,
      agent_id: workspaces.agent_id,
      agent_name: agents.name,
    })
    .from(workspaces)
    .innerJoin(agents, eq(agents.id, workspaces.agent_id))
    .where(
      and(
        eq(workspaces.project_id, projectId),
        notInArray(workspaces.status, ["archived", "expired"]),
      ),
    )
    .orderBy(desc(workspaces.updated_at), workspaces.agent_id)
    .limit(limit);
}

/** Returns the commits recorded by workspaces, by SHA. */
export async function findCommits(tx: Queryable, projectId: string, shas: readonly string[]) {
  const rows = await tx
    .select({
      sha: workspaceCommits.commit_sha,
      agent_id: workspaceCommits.agent_id,
      commit_type: workspaceCommits.commit_type,
    })
    .from(workspaceCommits)
    .innerJoin(workspaces, eq(workspaces.agent_id, workspaceCommits.agent_id))
    .where(
      and(
        sql`${workspaceCommits.commit_sha} = any(${sql.param(shas)}::text[])`,
        eq(workspaces.project_id, projectId),
        eq(workspaceCommits.state, "recorded"),
        // Commits of an earlier workspace of the agent are not shown.
        sql`${workspaceCommits.created_at} >= ${workspaces.created_at}`,
      ),
    );
  return new Map(rows.map((row) => [row.sha, row]));
}

/** Returns the merges that created commits, by SHA. */
export async function findMerges(tx: Queryable, projectId: string, shas: readonly string[]) {
  const rows = await tx
    .select({
      sha: merges.merge_commit,
      id: merges.id,
      agent_id: merges.agent_id,
      kind: merges.kind,
    })
    .from(merges)
    .where(
      and(
        sql`${merges.merge_commit} = any(${sql.param(shas)}::text[])`,
        eq(merges.project_id, projectId),
        eq(merges.state, "done"),
      ),
    );
  return new Map(rows.map(({ sha, ...merge }) => [sha, merge]));
}
