/** Reviews, drafts, and the files that people have seen. */
import { and, desc, eq, inArray, lt, sql } from "drizzle-orm";
import type { Review, Verdict } from "#shared/api/work/reviews.js";
import type { authorOf } from "../../../access/author.queries.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { reviewDrafts, reviews, viewedFiles } from "../../../db/tables/review-tables.js";

export type ReviewRow = typeof reviews.$inferSelect;
export type DraftRow = typeof reviewDrafts.$inferSelect;
export type StoredAuthor = ReturnType<typeof authorOf>;

/** A review with what its threads, its prompt and later reviews tell. */
export interface ReadReview extends ReviewRow {
  thread_ids: string[];
  prompt: Review["prompt"];
  /** Whether it is the author's newest approval or request for changes. */
  latest: boolean;
  /** The first commit of the agent after the review; null for none. */
  changed_at: string | null;
  /** The second opinion that it is; null for none. */
  opinion_id: string | null;
}

// Drizzle leaves the table's name out, which a subquery would read as its own column.
const read = {
  row: reviews,
  opinion_id: sql<string | null>`(select v.id from opinions v where v.review_id = reviews.id)`,
  thread_ids: sql<string[]>`array(select distinct c.thread_id from review_comments c
    where c.review_id = reviews.id order by c.thread_id)`,
  prompt: sql<Review["prompt"]>`case reviews.prompt_state
    when 'pending' then 'waiting' when 'failed' then 'cancelled' when 'sent' then coalesce(
      (select case when i.taken_at is null then 'waiting' else 'delivered' end
       from agent_session_inputs i where i.number = reviews.input_number), 'cancelled') end`,
  latest: sql<boolean>`reviews.verdict <> 'comment' and not exists (select from reviews later
    where later.task_id = reviews.task_id and later.verdict <> 'comment' and later.id > reviews.id
      and later.author ->> 'id' = reviews.author ->> 'id')`,
  changed_at: sql<string | null>`(select wire_time(min(c.created_at)) from workspace_commits c
    join task_attempts a on a.agent_id = c.agent_id
    where a.id = reviews.attempt_id and c.state = 'recorded' and c.created_at > reviews.created_at)`,
};

export async function insertReview(
  tx: Queryable,
  values: Omit<typeof reviews.$inferInsert, "author"> & { author: StoredAuthor },
): Promise<void> {
  await tx.insert(reviews).values(values as never);
}

/** Lists the reviews of a task, newest first. */
export async function listReviews(
  tx: Queryable,
  taskId: string,
  after: string | null,
  limit: number,
): Promise<ReadReview[]> {
  const rows = await tx
    .select(read)
    .from(reviews)
    .where(and(eq(reviews.task_id, taskId), after === null ? undefined : lt(reviews.id, after)))
    .orderBy(desc(reviews.id))
    .limit(limit);
  return rows.map(({ row, ...rest }) => ({ ...row, ...rest }));
}

export async function findReview(tx: Queryable, id: string): Promise<ReadReview | undefined> {
  const [found] = await tx.select(read).from(reviews).where(eq(reviews.id, id));
  if (!found) return undefined;
  const { row, ...rest } = found;
  return { ...row, ...rest };
}

/** Lists the newest verdict of each reviewer of an attempt, newest first. */
export async function listVerdicts(
  tx: Queryable,
  taskId: string,
  attemptId: string,
): Promise<
  Pick<ReviewRow, "id" | "author" | "verdict" | "commit_sha" | "patch_id" | "created_at">[]
> {
  const newest = tx
    .selectDistinctOn([sql`${reviews.author} ->> 'id'`], {
      id: reviews.id,
    })
    .from(reviews)
    .where(and(eq(reviews.task_id, taskId), eq(reviews.attempt_id, attemptId)))
    // A comment does not take a verdict back.
    .orderBy(sql`${reviews.author} ->> 'id', (${reviews.verdict} = 'comment'), ${reviews.id} desc`);
  return tx
    .select({
      id: reviews.id,
      author: reviews.author,
      verdict: reviews.verdict,
      commit_sha: reviews.commit_sha,
      patch_id: reviews.patch_id,
      created_at: reviews.created_at,
    })
    .from(reviews)
    .where(inArray(reviews.id, newest))
    .orderBy(desc(reviews.id));
}

/** Returns the newest review of an attempt by a user or agent. */
export async function findLastReview(
  tx: Queryable,
  taskId: string,
  authorId: string,
): Promise<ReviewRow | undefined> {
  const [row] = await tx
    .select()
    .from(reviews)
    .where(and(eq(reviews.task_id, taskId), sql`${reviews.author} ->> 'id' = ${authorId}`))
    .orderBy(desc(reviews.id))
    .limit(1);
  return row;
}

/** Records that the prompt of a review was stored. Returns false if that was done before. */
export async function markSent(tx: Queryable, id: string, number: number): Promise<boolean> {
  const changed = await tx
    .update(reviews)
    .set({ prompt_state: "sent", input_number: number })
    .where(and(eq(reviews.id, id), eq(reviews.prompt_state, "pending")))
    .returning({ id: reviews.id });
  return changed.length === 1;
}

export async function setPromptState(
  tx: Queryable,
  id: string,
  state: "pending" | "failed",
): Promise<void> {
  await tx
    .update(reviews)
    .set({ prompt_state: state, input_number: null })
    .where(eq(reviews.id, id));
}

/** Deletes a review with its threads and comments. */
export async function deleteReview(tx: Queryable, id: string): Promise<void> {
  await tx.delete(reviews).where(eq(reviews.id, id));
}

/**
 * Lists reviews of this node whose prompt was not stored. Requires a system transaction.
 * @param seconds only those that have waited for longer
 */
export async function listPending(
  tx: Queryable,
  nodeId: string,
  seconds: number,
): Promise<Pick<ReviewRow, "id" | "org_id" | "origin">[]> {
  const { rows } = await tx.execute<
    Pick<ReviewRow, "id" | "org_id" | "origin"> & Record<string, unknown>
  >(sql`
    select r.id, r.org_id, r.origin from reviews r
    join tasks t on t.id = r.task_id
    join projects p on p.id = t.project_id and p.deleted_at is null and p.home_node = ${nodeId}::uuid
    where r.prompt_state = 'pending' and r.created_at < now() - make_interval(secs => ${seconds})
    order by r.id limit 100`);
  return rows;
}

/** Returns the newest commit of an agent's branch. */
export async function findHead(tx: Queryable, agentId: string): Promise<string | null> {
  const { rows } = await tx.execute<{ head_commit: string | null }>(
    sql`select head_commit from workspaces where agent_id = ${agentId}`,
  );
  return rows[0]?.head_commit ?? null;
}

export async function findDraft(
  tx: Queryable,
  taskId: string,
  reviewerId: string,
): Promise<DraftRow | undefined> {
  const [row] = await tx
    .select()
    .from(reviewDrafts)
    .where(and(eq(reviewDrafts.task_id, taskId), eq(reviewDrafts.reviewer_id, reviewerId)));
  return row;
}

export async function saveDraft(
  tx: Queryable,
  values: Omit<DraftRow, "updated_at">,
): Promise<void> {
  const { task_id: _task, reviewer_id: _reviewer, org_id: _org, ...changes } = values;
  await tx
    .insert(reviewDrafts)
    .values(values)
    .onConflictDoUpdate({
      target: [reviewDrafts.task_id, reviewDrafts.reviewer_id],
      set: { ...changes, updated_at: sql`clock_timestamp()` },
    });
}

export async function deleteDraft(
  tx: Queryable,
  taskId: string,
  reviewerId: string,
): Promise<boolean> {
  const deleted = await tx
    .delete(reviewDrafts)
    .where(and(eq(reviewDrafts.task_id, taskId), eq(reviewDrafts.reviewer_id, reviewerId)))
    .returning({ task_id: reviewDrafts.task_id });
  return deleted.length === 1;
}

/** Returns the contents that a reviewer has seen, by path. */
export async function listViewed(
  tx: Queryable,
  taskId: string,
  reviewerId: string,
): Promise<Map<string, string>> {
  const rows = await tx
    .select({ path: viewedFiles.path, blob_id: viewedFiles.blob_id })
    .from(viewedFiles)
    .where(and(eq(viewedFiles.task_id, taskId), eq(viewedFiles.reviewer_id, reviewerId)));
  return new Map(rows.map(({ path, blob_id }) => [path, blob_id]));
}

/** @param blobId null for unseen */
export async function setViewed(
  tx: Queryable,
  file: { org_id: string; task_id: string; reviewer_id: string; path: string },
  blobId: string | null,
): Promise<void> {
  const { reviewer_id, task_id, path } = file;
  if (blobId === null) {
    await tx
      .delete(viewedFiles)
      .where(
        and(
          eq(viewedFiles.reviewer_id, reviewer_id),
          eq(viewedFiles.task_id, task_id),
          eq(viewedFiles.path, path),
        ),
      );
    return;
  }
  await tx
    .insert(viewedFiles)
    .values({ ...file, blob_id: blobId })
    .onConflictDoUpdate({
      target: [viewedFiles.reviewer_id, viewedFiles.task_id, viewedFiles.path],
      set: { blob_id: blobId, viewed_at: sql`clock_timestamp()` },
    });
}

/** Whether an approval is for this commit, or for the same change on another base. */
export function isForChange(
  {
    commit_sha,
    patch_id,
    verdict,
  }: { commit_sha: string; patch_id: string | null; verdict: Verdict },
  change: { head: string; patchId: string | null },
): boolean {
  if (verdict !== "approve") return false;
  return commit_sha === change.head || (patch_id !== null && patch_id === change.patchId);
}
