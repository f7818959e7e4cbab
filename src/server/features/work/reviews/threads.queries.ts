/** Threads and their comments. */
import { and, asc, count, eq, gt, inArray, isNotNull, isNull, sql, type SQL } from "drizzle-orm";
import type { Thread } from "#shared/api/work/threads.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { reviewComments, reviewThreads } from "../../../db/tables/review-tables.js";
import type { StoredAuthor } from "./reviews.queries.js";

export type ThreadRow = typeof reviewThreads.$inferSelect;

/** A comment with whether the commit that applied its suggestion is in the branch. */
export interface ReadComment {
  id: string;
  author: Thread["comments"][number]["author"];
  review_id: string | null;
  body: string;
  suggestion: string | null;
  applied_sha: string | null;
  created_at: string;
}

export interface ReadThread extends ThreadRow {
  comments: ReadComment[];
  /** The commit that was reviewed. */
  reviewed_sha: string;
}

// Drizzle leaves the table's name out, which a subquery would read as its own column.
const read = {
  row: reviewThreads,
  reviewed_sha: sql<string>`(select r.commit_sha from reviews r where r.id = review_threads.review_id)`,
  comments: sql<ReadComment[]>`(select json_agg(json_build_object('id', c.id, 'author', c.author,
      'review_id', c.review_id, 'body', c.body, 'suggestion', c.suggestion,
      'applied_sha', (select w.commit_sha from workspace_commits w
        join task_attempts a on a.agent_id = w.agent_id and a.id = review_threads.attempt_id
        where w.commit_sha = c.applied_sha and w.state = 'recorded'),
      'created_at', wire_time(c.created_at)) order by c.id)
    from review_comments c where c.thread_id = review_threads.id)`,
};

async function readThreads(
  tx: Queryable,
  condition: SQL | undefined,
  limit: number,
): Promise<ReadThread[]> {
  const rows = await tx
    .select(read)
    .from(reviewThreads)
    .where(condition)
    .orderBy(asc(reviewThreads.id))
    .limit(limit);
  return rows.map(({ row, ...rest }) => ({ ...row, ...rest }));
}

/** Lists threads of a task, oldest first. */
export function listThreads(
  tx: Queryable,
  taskId: string,
  resolved: boolean | undefined,
  after: string | null,
  limit: number,
): Promise<ReadThread[]> {
  const { task_id, id, resolved_at } = reviewThreads;
  return readThreads(
    tx,
    and(
      eq(task_id, taskId),
      after === null ? undefined : gt(id, after),
      resolved === undefined ? undefined : resolved ? isNotNull(resolved_at) : isNull(resolved_at),
    ),
    limit,
  );
}

/** Reads threads that exist, oldest first. */
export function findThreads(tx: Queryable, ids: readonly string[]): Promise<ReadThread[]> {
  return readThreads(tx, inArray(reviewThreads.id, [...ids]), ids.length);
}

/** Finds a thread and locks its row until the end of the transaction. */
export async function lockThread(tx: Queryable, id: string): Promise<ThreadRow | undefined> {
  const [row] = await tx
    .select()
    .from(reviewThreads)
    .where(eq(reviewThreads.id, id))
    .for("no key update");
  return row;
}

export function countThreads(tx: Queryable, taskId: string): Promise<number> {
  return tx.$count(reviewThreads, eq(reviewThreads.task_id, taskId));
}

export function countOpen(tx: Queryable, taskId: string): Promise<number> {
  return tx.$count(
    reviewThreads,
    and(eq(reviewThreads.task_id, taskId), isNull(reviewThreads.resolved_at)),
  );
}

/** Counts the comments of threads of a task, by thread. */
export async function countComments(
  tx: Queryable,
  taskId: string,
  threadIds: readonly string[],
): Promise<Map<string, number>> {
  if (threadIds.length === 0) return new Map();
  const rows = await tx
    .select({ id: reviewThreads.id, comments: count(reviewComments.id) })
    .from(reviewThreads)
    .leftJoin(reviewComments, eq(reviewComments.thread_id, reviewThreads.id))
    .where(and(eq(reviewThreads.task_id, taskId), inArray(reviewThreads.id, [...threadIds])))
    .groupBy(reviewThreads.id);
  return new Map(rows.map(({ id, comments }) => [id, comments]));
}

export async function insertThreads(
  tx: Queryable,
  values: (typeof reviewThreads.$inferInsert)[],
): Promise<void> {
  if (values.length > 0) await tx.insert(reviewThreads).values(values);
}

export type NewComment = Omit<typeof reviewComments.$inferInsert, "author"> & {
  author: StoredAuthor;
};

export async function insertComments(tx: Queryable, values: readonly NewComment[]): Promise<void> {
  if (values.length > 0) await tx.insert(reviewComments).values(values as never);
}

/** Records that threads have changed. */
export async function touchThreads(tx: Queryable, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await tx
    .update(reviewThreads)
    .set({ updated_at: sql`clock_timestamp()` })
    .where(inArray(reviewThreads.id, [...ids]));
}

/** @param by null opens the threads again */
export async function setResolved(
  tx: Queryable,
  ids: readonly string[],
  by: StoredAuthor | null,
): Promise<void> {
  await tx
    .update(reviewThreads)
    .set({
      resolved_at: by === null ? null : sql`clock_timestamp()`,
      resolved_by: by,
      updated_at: sql`clock_timestamp()`,
    })
    .where(inArray(reviewThreads.id, [...ids]));
}

/** Records the commit that applies suggestions, before it is in the branch. */
export async function setApplied(
  tx: Queryable,
  commentIds: readonly string[],
  sha: string,
): Promise<void> {
  await tx
    .update(reviewComments)
    .set({ applied_sha: sha })
    .where(inArray(reviewComments.id, [...commentIds]));
}

/** Returns the email addresses of users, by id. */
export async function readEmails(
  tx: Queryable,
  ids: readonly string[],
): Promise<Map<string, string>> {
  const { rows } = await tx.execute<{ id: string; email: string }>(
    sql`select id, email from users where id = any(${sql.param([...ids])}::uuid[])`,
  );
  return new Map(rows.map(({ id, email }) => [id, email]));
}
