/** The merges of workspaces. */
import { and, asc, desc, eq, gt, inArray, sql } from "drizzle-orm";
import type { Merge, MergeChanges, ProjectMerge } from "#shared/api/code/merges.js";
import { reusable, type Queryable } from "../../../../db/connection/connect.js";
import { users } from "../../../../db/tables/identity-tables.js";
import { agents } from "../../../../db/tables/tables.js";
import { merges } from "../../../../db/tables/workspace-tables.js";
import { receiving } from "../commits/received-commits.queries.js";

const mergeColumns = {
  id: merges.id,
  kind: merges.kind,
  of_merge: merges.of_merge,
  merge_commit_sha: merges.merge_commit,
  subject: merges.subject,
  source_branch: merges.source_branch,
  target_branch: merges.target_branch,
  status: merges.status,
  resolution_strategy: merges.strategy,
  resolutions: merges.resolutions,
  driver_files: merges.driver_files,
  reverted_by: merges.reverted_by,
  created_at: merges.created_at,
};

type ShownRow = Omit<Merge, "total_conflicts" | "conflicts_resolved"> & { id: string };
export type MergeRow = typeof merges.$inferSelect;
/** The values known before a merge's branch moves. */
export type NewMerge = Omit<MergeRow, "state" | "created_at" | "reverted_by" | "by_forge">;

/** Returns a merge in its API form. */
function mergeOf(row: ShownRow): Merge & { id: string } {
  return {
    ...row,
    total_conflicts: row.resolutions.length,
    conflicts_resolved: row.resolutions.flatMap(({ paths }) => paths),
  };
}

interface MergesOfAgent {
  agentId: string;
  ofMerge?: string | undefined;
  visible: ReadonlySet<string> | null;
}

/** Restricts merges to visible target branches; null for all. */
function into(visible: ReadonlySet<string> | null) {
  return visible === null ? undefined : inArray(merges.target_branch, [...visible]);
}

/**
 * Lists a workspace's merges, newest first; with `ofMerge`, those that undo that merge or a part of it.
 */
export async function listMerges(
  tx: Queryable,
  { agentId, ofMerge, visible }: MergesOfAgent,
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
        ofMerge === undefined ? undefined : eq(merges.of_merge, ofMerge),
        into(visible),
        after === null
          ? undefined
          : sql`(${merges.created_at}, ${merges.id}) < (${after[0]}::timestamptz, ${after[1]}::uuid)`,
      ),
    )
    .orderBy(desc(merges.created_at), desc(merges.id))
    .limit(limit);
  return rows.map(mergeOf);
}

/** Lists the merges of a project's workspaces, newest first. */
export async function listMergesOfProject(
  tx: Queryable,
  projectId: string,
  visible: ReadonlySet<string> | null,
  after: readonly string[] | null,
  limit: number,
): Promise<ProjectMerge[]> {
  const rows = await tx
    .select({ ...mergeColumns, agent_id: merges.agent_id, agent_name: agents.name })
    .from(merges)
    .innerJoin(agents, eq(agents.id, merges.agent_id))
    .where(
      and(
        eq(merges.project_id, projectId),
        eq(merges.state, "done"),
        into(visible),
        after === null
          ? undefined
          : sql`(${merges.created_at}, ${merges.id}) < (${after[0]}::timestamptz, ${after[1]}::uuid)`,
      ),
    )
    .orderBy(desc(merges.created_at), desc(merges.id))
    .limit(limit);
  return rows.map((row) => {
    const { resolutions: _resolutions, driver_files: _files, ...shown } = mergeOf(row);
    return { ...shown, agent_id: row.agent_id, agent_name: row.agent_name };
  });
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

/** Returns the statement that stores a merge before its branch moves. */
export function insertingPendingMerge(tx: Queryable, values: NewMerge) {
  return tx.insert(merges).values({ ...values, state: "pending" });
}

/** Stores a merge that a forge has made, as pending. Returns false if it is stored already. */
export async function insertForgeMerge(tx: Queryable, values: NewMerge): Promise<boolean> {
  const rows = await tx
    .insert(merges)
    .values({ ...values, state: "pending", by_forge: true })
    .onConflictDoNothing({ target: merges.id })
    .returning({ id: merges.id });
  return rows.length > 0;
}

const rowColumns = {
  ...mergeColumns,
  org_id: merges.org_id,
  project_id: merges.project_id,
  agent_id: merges.agent_id,
  source_commit: merges.source_commit,
  target_commit: merges.target_commit,
  base_commit: merges.base_commit,
  merge_commit: merges.merge_commit,
  strategy: merges.strategy,
  decisions: merges.decisions,
  drivers: merges.drivers,
  by_forge: merges.by_forge,
};

/** A merge with all of its inputs. */
export type RecordedMerge = Awaited<ReturnType<typeof listRecorded>>[number];

export async function findRecorded(
  tx: Queryable,
  agentId: string,
  id: string,
): Promise<RecordedMerge | undefined> {
  const [row] = await tx
    .select(rowColumns)
    .from(merges)
    .where(and(eq(merges.id, id), eq(merges.agent_id, agentId), eq(merges.state, "done")));
  return row;
}

/** Returns who made a merge: an agent, a user or a service account by the current name, or the server itself. */
export async function findAuthor(tx: Queryable, id: string): Promise<MergeChanges["author"]> {
  const userId = sql`(${merges.origin} -> 'actor' ->> 'userId')::uuid`;
  const [row] = await tx
    .select({
      agent: sql<string | null>`${merges.origin} -> 'actor' -> 'agent' ->> 'name'`,
      user: sql<string | null>`coalesce(${users.full_name}, ${users.email})`,
      kind: users.kind,
    })
    .from(merges)
    .leftJoin(users, eq(users.id, userId))
    .where(eq(merges.id, id));
  if (row?.agent) return { type: "agent", name: row.agent };
  if (!row?.user) return { type: "system", name: "Omoi" };
  return { type: row.kind === "service" ? "service_account" : "user", name: row.user };
}

/** Lists an organization's merges by id, after the given one. */
export function listRecorded(tx: Queryable, orgId: string, after: string | null, limit: number) {
  return tx
    .select(rowColumns)
    .from(merges)
    .where(
      and(
        eq(merges.org_id, orgId),
        eq(merges.state, "done"),
        after === null ? undefined : gt(merges.id, after),
      ),
    )
    .orderBy(asc(merges.id))
    .limit(limit);
}

/** Finds a pending merge to be recovered. */
export async function findPendingMerge(tx: Queryable, id: string) {
  const [row] = await tx
    .select({ ...rowColumns, origin: merges.origin })
    .from(merges)
    .where(and(eq(merges.id, id), eq(merges.state, "pending")));
  return row;
}

/** Finds a workspace's pending sync by its commit. */
export async function findPendingSync(tx: Queryable, agentId: string, commit: string) {
  const [row] = await tx
    .select({ ...rowColumns, origin: merges.origin })
    .from(merges)
    .where(
      and(
        eq(merges.agent_id, agentId),
        eq(merges.merge_commit, commit),
        eq(merges.state, "pending"),
        eq(merges.kind, "sync"),
      ),
    );
  return row;
}

const recording = reusable((tx) => {
  const done = tx.$with("done").as(
    tx
      .update(merges)
      .set({ state: "done" })
      .where(eq(merges.id, sql.placeholder("id")))
      .returning(mergeColumns),
  );
  const received = tx.$with("received").as(receiving(tx));
  // One statement: PostgreSQL executes all of its parts, also those whose results are unused.
  return tx.with(done, received).select().from(done).prepare("record a merge");
});

/** Records that the target branch contains the merge commit, received now, and returns the merge. */
export async function recordMerge(
  tx: Queryable,
  merge: Pick<MergeRow, "id" | "org_id" | "project_id" | "merge_commit" | "kind" | "of_merge">,
): Promise<Merge & { id: string }> {
  const { id, org_id, project_id, merge_commit: sha } = merge;
  const [row] = await recording(tx, { id, org_id, project_id, sha });
  if (!row) throw new Error(`the merge ${merge.id} was not written as pending`);
  if (merge.kind === "revert" && merge.of_merge !== null) {
    await tx.update(merges).set({ reverted_by: merge.id }).where(eq(merges.id, merge.of_merge));
    // Reverting a revert restores the original merge.
    await tx
      .update(merges)
      .set({ reverted_by: null })
      .where(eq(merges.reverted_by, merge.of_merge));
  }
  return mergeOf(row);
}

export async function deletePendingMerge(tx: Queryable, id: string): Promise<void> {
  await tx.delete(merges).where(and(eq(merges.id, id), eq(merges.state, "pending")));
}
