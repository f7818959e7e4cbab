/** Recorded and pending commits of workspaces. */
import { and, desc, eq, max, sql, type AnyColumn } from "drizzle-orm";
import type { Commit } from "#shared/api/code/commits.js";
import type { DiffStats } from "#git/diff/diff.js";
import { newId } from "../../../../db/tables/columns.js";
import { reusable, type Queryable } from "../../../../db/connection/connect.js";
import { workspaceCommits, workspaces } from "../../../../db/tables/workspace-tables.js";
import { receiving } from "./received-commits.queries.js";

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

/** A workspace that was created again after archiving excludes its earlier commits. */
const ofCurrentLifetime = sql`${workspaceCommits.created_at} >= (select w.created_at from workspaces w where w.agent_id = ${workspaceCommits.agent_id})`;

export async function listCommits(
  tx: Queryable,
  agentId: string,
  {
    after,
    limit,
    commit_type,
  }: {
    after: readonly string[] | null;
    limit: number;
    commit_type?: Commit["commit_type"] | undefined;
  },
): Promise<(Commit & { id: string })[]> {
  return tx
    .select({ id: workspaceCommits.id, ...commitColumns })
    .from(workspaceCommits)
    .where(
      and(
        eq(workspaceCommits.agent_id, agentId),
        recorded,
        ofCurrentLifetime,
        commit_type === undefined ? undefined : eq(workspaceCommits.commit_type, commit_type),
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

/** Returns the statement that stores a commit before it becomes the branch's head. */
export function insertingPendingCommit(
  tx: Queryable,
  values: Omit<typeof workspaceCommits.$inferInsert, "id" | "state" | "created_at">,
) {
  return tx.insert(workspaceCommits).values({ id: newId(), ...values, state: "pending" });
}

/** The placeholder, or the stored value if it is null. */
const knownOr = (name: keyof DiffStats, stored: AnyColumn) =>
  sql`coalesce(${sql.placeholder(name)}::int, ${stored})`;

const recording = reusable((tx) => {
  const agentId = sql.placeholder("agent_id");
  const sha = sql.placeholder("sha");
  const done = tx.$with("done").as(
    tx
      .update(workspaceCommits)
      .set({
        state: "recorded",
        files_changed: knownOr("files_changed", workspaceCommits.files_changed),
        additions: knownOr("additions", workspaceCommits.additions),
        deletions: knownOr("deletions", workspaceCommits.deletions),
      })
      .where(and(eq(workspaceCommits.agent_id, agentId), eq(workspaceCommits.commit_sha, sha)))
      .returning({ ...commitColumns, tree_sha: workspaceCommits.tree_sha }),
  );
  const received = tx.$with("received").as(receiving(tx));
  const moved = tx.$with("moved").as(
    tx
      .update(workspaces)
      .set({
        head_commit: sql`${sha}`,
        head_tree: sql`(select tree_sha from done)`,
        updated_at: sql`now()`,
      })
      .where(eq(workspaces.agent_id, agentId))
      .returning({ agent_id: workspaces.agent_id }),
  );
  // One statement: PostgreSQL executes all of its parts, also those whose results are unused.
  return tx.with(done, received, moved).select().from(done).prepare("record a commit");
});

/**
 * Records that the branch contains the commit, as the workspace's head, received now.
 * @param stats its size; null if it was stored with the pending commit
 */
export async function recordCommit(
  tx: Queryable,
  workspace: { org_id: string; project_id: string; agent_id: string },
  sha: string,
  stats: DiffStats | null,
): Promise<Commit> {
  const { org_id, project_id, agent_id } = workspace;
  const size = stats ?? { files_changed: null, additions: null, deletions: null };
  const [row] = await recording(tx, { org_id, project_id, agent_id, sha, ...size });
  if (!row) throw new Error(`the commit ${sha} was not written as pending`);
  const { tree_sha: _tree, ...commit } = row;
  return commit;
}

/** Returns the parent of a workspace's commit. */
export async function findParent(
  tx: Queryable,
  agentId: string,
  sha: string,
): Promise<string | undefined> {
  const [row] = await tx
    .select({ parent: workspaceCommits.parent_sha })
    .from(workspaceCommits)
    .where(and(eq(workspaceCommits.agent_id, agentId), eq(workspaceCommits.commit_sha, sha)));
  return row?.parent;
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
