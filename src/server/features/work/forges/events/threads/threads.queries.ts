import { and, eq, sql } from "drizzle-orm";
import type { Thread } from "#shared/api/work/threads.js";
import type { Queryable } from "../../../../../db/connection/connect.js";
import { forgeComments, forgeThreads } from "../../../../../db/tables/forge-event-tables.js";

export type Author = Thread["comments"][number]["author"];

/** A thread that exists on both sides. */
export interface KnownThread extends Record<string, unknown> {
  thread_id: string;
  remote_id: string | null;
  /** The state that both sides had last. */
  resolved: boolean;
  /** The state here. */
  is_resolved: boolean;
}

export async function listKnownThreads(tx: Queryable, requestId: string): Promise<KnownThread[]> {
  const { rows } = await tx.execute<KnownThread>(sql`
    select m.thread_id, m.remote_id, m.resolved, t.resolved_at is not null as is_resolved
    from forge_threads m join review_threads t on t.id = m.thread_id
    where m.pull_request_id = ${requestId}`);
  return rows;
}

/** Returns the ids of comments here by their ids on the forge. */
export async function listKnownComments(
  tx: Queryable,
  requestId: string,
): Promise<Map<string, string>> {
  const rows = await tx
    .select({ id: forgeComments.comment_id, remote_id: forgeComments.remote_id })
    .from(forgeComments)
    .where(eq(forgeComments.pull_request_id, requestId));
  return new Map(
    rows.flatMap(({ id, remote_id }) => (remote_id === null ? [] : [[remote_id, id] as const])),
  );
}

export async function putThread(
  tx: Queryable,
  row: typeof forgeThreads.$inferInsert,
): Promise<void> {
  const { remote_id = null, url = null, resolved = false } = row;
  await tx.insert(forgeThreads).values(row).onConflictDoUpdate({
    target: forgeThreads.thread_id,
    set: { remote_id, url, resolved },
  });
}

export async function putComment(
  tx: Queryable,
  row: typeof forgeComments.$inferInsert,
): Promise<void> {
  const { remote_id = null, url = null } = row;
  await tx
    .insert(forgeComments)
    .values(row)
    .onConflictDoUpdate({ target: forgeComments.comment_id, set: { remote_id, url } });
}

export async function setSharedState(
  tx: Queryable,
  threadId: string,
  resolved: boolean,
): Promise<void> {
  await tx.update(forgeThreads).set({ resolved }).where(eq(forgeThreads.thread_id, threadId));
}

/** Returns the display name of a user of the organization. */
export async function nameOfUser(tx: Queryable, userId: string): Promise<string | null> {
  const { rows } = await tx.execute<{ name: string }>(
    sql`select coalesce(full_name, email) as name from users where id = ${userId}`,
  );
  return rows[0]?.name ?? null;
}

/** The attempt whose work a pull request proposes. */
export async function attemptOf(tx: Queryable, requestId: string): Promise<string | null> {
  const { rows } = await tx.execute<{ attempt_id: string }>(
    sql`select attempt_id from pull_requests where id = ${requestId}`,
  );
  return rows[0]?.attempt_id ?? null;
}

/** A comment here that is not on the forge yet, with its thread's place. */
export interface UnsentComment extends Record<string, unknown> {
  comment_id: string;
  thread_id: string;
  body: string;
  suggestion: string | null;
  author: Author;
  created_at: string;
  pull_request_id: string;
  forge_id: string;
  repository: string;
  number: number;
  /** The forge's id of the thread; null for a thread that is not there yet. */
  remote_id: string | null;
  path: string;
  side: "old" | "new";
  line: number | null;
  start_line: number | null;
  commit_sha: string;
  head_sha: string | null;
}

/** Lists comments of an organization's tasks with open pull requests that are not on the forge, oldest first. */
export async function listUnsent(tx: Queryable, nodeId: string): Promise<UnsentComment[]> {
  const { rows } = await tx.execute<UnsentComment>(sql`
    select c.id as comment_id, c.thread_id, c.body, c.suggestion, c.author, wire_time(c.created_at) as created_at,
      q.id as pull_request_id, q.forge_id, q.repository, q.number, m.remote_id, t.path, t.side, t.line, t.start_line,
      t.commit_sha, q.head_sha
    from pull_requests q
    join projects p on p.id = q.project_id and p.deleted_at is null and p.home_node = ${nodeId}::uuid
    join forges f on f.id = q.forge_id and (f.retry_at is null or f.retry_at < clock_timestamp())
    -- threads of an attempt that was replaced move along
    join review_threads t on t.task_id = q.task_id and (t.attempt_id = q.attempt_id or exists (
      select from task_attempts former where former.id = t.attempt_id and former.archived_at is not null))
    join review_comments c on c.thread_id = t.id
    left join forge_threads m on m.thread_id = t.id
    where q.state in ('open', 'draft') and q.number is not null
      and not exists (select from forge_comments k where k.comment_id = c.id)
    order by c.id limit 200`);
  return rows;
}

/** A thread whose state differs from the one that both sides had last. */
export interface ChangedThread extends Record<string, unknown> {
  thread_id: string;
  remote_id: string;
  is_resolved: boolean;
  forge_id: string;
  repository: string;
  number: number;
}

export async function listChangedThreads(tx: Queryable, nodeId: string): Promise<ChangedThread[]> {
  const { rows } = await tx.execute<ChangedThread>(sql`
    select m.thread_id, m.remote_id, t.resolved_at is not null as is_resolved, q.forge_id, q.repository, q.number
    from forge_threads m
    join review_threads t on t.id = m.thread_id and (t.resolved_at is not null) <> m.resolved
    join pull_requests q on q.id = m.pull_request_id and q.state in ('open', 'draft') and q.number is not null
    join forges f on f.id = q.forge_id and (f.retry_at is null or f.retry_at < clock_timestamp())
    join projects p on p.id = q.project_id and p.deleted_at is null and p.home_node = ${nodeId}::uuid
    where m.remote_id is not null limit 200`);
  return rows;
}

/** Whether a comment was sent meanwhile. */
export async function isSent(tx: Queryable, commentId: string): Promise<boolean> {
  const rows = await tx
    .select({ id: forgeComments.comment_id })
    .from(forgeComments)
    .where(and(eq(forgeComments.comment_id, commentId)));
  return rows.length > 0;
}
