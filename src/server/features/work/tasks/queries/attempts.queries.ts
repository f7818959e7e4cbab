import { and, asc, eq, isNull, sql } from "drizzle-orm";
import type { Queryable } from "../../../../db/connection/connect.js";
import { notFound } from "../../../../errors.js";
import { taskAttempts, type AttemptLaunch } from "../../../../db/tables/task-tables.js";

export type AttemptRow = typeof taskAttempts.$inferSelect;

export async function listAttempts(tx: Queryable, taskId: string): Promise<AttemptRow[]> {
  return tx
    .select()
    .from(taskAttempts)
    .where(eq(taskAttempts.task_id, taskId))
    .orderBy(asc(taskAttempts.number));
}

export async function insertAttempt(
  tx: Queryable,
  values: Omit<typeof taskAttempts.$inferInsert, "launch"> & { launch: AttemptLaunch },
): Promise<void> {
  await tx.insert(taskAttempts).values(values);
}

/**
 * Gives an attempt a new session, in the transaction that starts it.
 * @returns false if another start came first, or the attempt may not start any more
 */
export async function setSession(
  tx: Queryable,
  { id, session_id: former }: Pick<AttemptRow, "id" | "session_id">,
  sessionId: string,
): Promise<boolean> {
  const changed = await tx
    .update(taskAttempts)
    .set({ session_id: sessionId, start_error: null, stopped_at: null })
    .where(
      and(
        eq(taskAttempts.id, id),
        eq(taskAttempts.session_id, former),
        isNull(taskAttempts.archived_at),
        sql`not exists (select from tasks t where t.id = ${taskAttempts.task_id} and t.resolution = 'cancelled')`,
      ),
    )
    .returning({ id: taskAttempts.id });
  return changed.length === 1;
}

/** Locks an attempt, and returns whether it may still start. */
export async function mayStart(tx: Queryable, id: string): Promise<boolean> {
  const { rows } = await tx.execute(sql`
    select from task_attempts a join tasks t on t.id = a.task_id
    where a.id = ${id} and a.stopped_at is null and a.archived_at is null and t.resolution is null
      and not t.is_undone
    for no key update of a`);
  return rows.length > 0;
}

/** Returns the newest prompt that a session was given; undefined without one. */
export async function newestPrompt(tx: Queryable, sessionId: string): Promise<string | undefined> {
  const { rows } = await tx.execute<{ text: string }>(sql`
    select data ->> 'text' as text from agent_session_inputs
    where session_id = ${sessionId} and kind = 'prompt' order by number desc limit 1`);
  return rows[0]?.text;
}

export async function updateAttempt(
  tx: Queryable,
  id: string,
  changes: Partial<
    Pick<AttemptRow, "session_id" | "start_error" | "stopped_at" | "archived_at" | "launch">
  >,
): Promise<void> {
  await tx.update(taskAttempts).set(changes).where(eq(taskAttempts.id, id));
}

/** Reads an attempt, and whether its session can take a prompt. */
export async function findAttempt(
  tx: Queryable,
  id: string,
): Promise<{
  attempt: AttemptRow;
  session: { goes_on: boolean; has_had_turn: boolean } | undefined;
  /** Whether its workspace began with a commit of a forge. */
  is_of_forge: boolean;
}> {
  const [attempt] = await tx.select().from(taskAttempts).where(eq(taskAttempts.id, id));
  if (!attempt) throw notFound();
  const { rows } = await tx.execute<{ goes_on: boolean; has_had_turn: boolean }>(sql`
    select s.closed_at is null and s.status <> 'failed' and (s.resumes_by is not null or exists (
        select from runs r where r.id = s.run_id and r.status = 'running' and r.exited_at is null
          and r.stop_status is null)) as goes_on,
      s.turn_started_at is not null as has_had_turn
    from agent_sessions s where s.id = ${attempt.session_id}`);
  const { rows: begun } = await tx.execute(sql`
    select from workspaces w where w.agent_id = ${attempt.agent_id} and w.start_commit is not null`);
  return { attempt, session: rows[0], is_of_forge: begun.length > 0 };
}

export async function countRunning(tx: Queryable, agentIds: readonly string[]): Promise<number> {
  const { rows } = await tx.execute<{ count: number }>(sql`
    select count(*)::int as count from runs
    where agent_id = any(${sql.param([...agentIds])}::uuid[]) and ended_at is null`);
  return rows[0]?.count ?? 0;
}
