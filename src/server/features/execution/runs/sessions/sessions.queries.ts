import { and, desc, eq, isNull, lt, sql, type SQL } from "drizzle-orm";
import type { ListedSession, Session } from "#shared/api/work/sessions.js";
import type { Database, Queryable } from "../../../../db/connection/connect.js";
import { agents, agentSessions } from "../../../../db/tables/tables.js";
import { newestIds, type ListPage } from "../newest-ids.js";

const columns = {
  id: agentSessions.id,
  agent_id: agentSessions.agent_id,
  preset: agentSessions.preset,
  status: agentSessions.status,
  title: agentSessions.title,
  detail: agentSessions.detail,
  run_id: agentSessions.run_id,
  can_resume: sql<boolean>`${agentSessions.resumes_by} is not null`,
  modes: agentSessions.modes,
  options: agentSessions.options,
  permissions: agentSessions.permissions,
  model_usage: sql<Session["model_usage"]>`(select json_build_object(
      'input_tokens', sum(u.input_tokens), 'output_tokens', sum(u.output_tokens),
      'cache_read_tokens', sum(u.cache_read_tokens), 'cache_write_tokens', sum(u.cache_write_tokens),
      'requests', sum(u.requests),
      'cost_usd', case when sum(u.unpriced_requests) = 0 then sum(u.cost_nanousd)::float8 / 1e9 end)
    from model_usage u join runs r on r.id = u.run_id
    where r.session_id = ${sql.raw("agent_sessions.id")} having count(*) > 0)`,
  created_by: agentSessions.created_by,
  created_at: agentSessions.created_at,
  updated_at: agentSessions.updated_at,
  closed_at: agentSessions.closed_at,
};

export async function findSession(tx: Queryable, id: string): Promise<Session | undefined> {
  const [row] = await tx.select(columns).from(agentSessions).where(eq(agentSessions.id, id));
  return row;
}

/** Returns what a search in sessions needs, newest first. */
export function listTitles(
  tx: Queryable,
  agentId: string,
  limit: number,
): Promise<Pick<Session, "id" | "title" | "created_at">[]> {
  const { id, title, created_at } = columns;
  return tx
    .select({ id, title, created_at })
    .from(agentSessions)
    .where(eq(agentSessions.agent_id, agentId))
    .orderBy(desc(agentSessions.id))
    .limit(limit);
}

/** @param after the id of the last session of the previous page; null starts at the newest */
export function listSessions(
  tx: Queryable,
  agentId: string,
  after: string | null,
  limit: number,
): Promise<Session[]> {
  return tx
    .select(columns)
    .from(agentSessions)
    .where(
      and(
        eq(agentSessions.agent_id, agentId),
        after === null ? undefined : lt(agentSessions.id, after),
      ),
    )
    .orderBy(desc(agentSessions.id))
    .limit(limit);
}

/** Lists sessions of organizations, newest first. */
export function listAllSessions(
  tx: Queryable,
  orgIds: readonly string[],
  page: ListPage,
  limit: number,
): Promise<ListedSession[]> {
  const ids = newestIds("agent_sessions", orgIds, page, limit);
  return tx
    .select({ ...columns, agent_name: agents.name })
    .from(agentSessions)
    .innerJoin(agents, eq(agents.id, agentSessions.agent_id))
    .where(sql`${agentSessions.id} in ${ids}`)
    .orderBy(desc(agentSessions.id));
}

export type SessionRow = typeof agentSessions.$inferSelect;

/** A session with what its server process needs, and whether a run of its program is in progress. */
export type StoredSession = SessionRow & { isRunning: boolean };

/** Finds a session and locks its row until the end of the transaction. */
export async function lockSession(tx: Queryable, id: string): Promise<StoredSession | undefined> {
  const [row] = await tx
    .select()
    .from(agentSessions)
    .where(eq(agentSessions.id, id))
    .for("no key update");
  if (!row) return undefined;
  const { rows } = await tx.execute<{ is_running: boolean }>(
    sql`select exists (select from runs where id = ${row.run_id} and status = 'running'
      and exited_at is null and stop_status is null) as is_running`,
  );
  return { ...row, isRunning: rows[0]?.is_running === true };
}

export async function insertSession(
  tx: Queryable,
  values: typeof agentSessions.$inferInsert,
): Promise<void> {
  await tx.insert(agentSessions).values(values);
}

type Changes = Partial<
  Pick<
    SessionRow,
    | "detail"
    | "modes"
    | "options"
    | "permissions"
    | "program_session_id"
    | "resumes_by"
    | "run_id"
    | "title"
    | "turn_ended_at"
    | "turn_stop_reason"
    | "turn_message"
    | "turn_asks"
    | "turn_changes"
    | "silent_since"
  >
> & { status?: SessionRow["status"] | SQL; turn_started_at?: SQL };

/** The status of a session whose program is ready: it takes a prompt that waits at once. */
export const statusWhenReady = sql`case when exists (
    select from agent_session_inputs i
    where i.session_id = agent_sessions.id and i.kind = 'prompt' and i.taken_at is null)
  then 'working' else 'idle' end`;

/**
 * Changes a session that is not closed.
 * @param runId only while this is its run
 */
export async function updateSession(
  tx: Queryable,
  id: string,
  changes: Changes,
  runId: string | null = null,
): Promise<void> {
  await tx
    .update(agentSessions)
    // A program may change what it offers all the time.
    .set({ ...changes, ...("status" in changes && { updated_at: sql`now()` }) })
    .where(
      and(
        eq(agentSessions.id, id),
        isNull(agentSessions.closed_at),
        runId === null ? undefined : eq(agentSessions.run_id, runId),
      ),
    );
}

/** Closes a session; it has no effect on a closed one. */
export async function closeSession(tx: Queryable, id: string): Promise<void> {
  await tx
    .update(agentSessions)
    .set({
      status: "closed",
      permissions: [],
      detail: null,
      closed_at: sql`now()`,
      updated_at: sql`now()`,
    })
    .where(and(eq(agentSessions.id, id), isNull(agentSessions.closed_at)));
}

/** Condition on a session `s` and its run `r`: the run has ended without a word of its server process. */
const hasLostItsRun = sql`r.id = s.run_id and r.ended_at is not null
  and (s.status in ('starting', 'working', 'waiting_for_permission')
    or (s.status = 'idle' and s.resumes_by is null))`;

/**
 * Gives the session of a run that has ended without a word of its server process the status that follows from it. A
 * prompt whose turn had not begun waits again.
 */
export async function suspendSession(tx: Queryable, runId: string): Promise<void> {
  await tx.execute(sql`
    update agent_session_inputs i set taken_at = null, is_held = r.stop_status is not null
    from agent_sessions s, runs r
    where r.id = ${runId} and s.run_id = r.id and r.ended_at is not null and s.closed_at is null
      and i.session_id = s.id and i.kind = 'prompt'
      and i.taken_at > coalesce(s.turn_started_at, '-infinity')`);
  await tx.execute(sql`
    update agent_sessions s set
      status = case when s.resumes_by is null then 'failed' else 'idle' end,
      detail = case when s.resumes_by is null
        then 'Its program has ended and cannot take up a session again. ' || coalesce(r.detail, '')
        else 'Its program has ended; the next prompt starts it again. ' || coalesce(r.detail, '') end,
      permissions = '[]', updated_at = now()
    from runs r
    where r.id = ${runId} and ${hasLostItsRun}`);
}

/** Does the same for all of them, each in its own transaction: it locks what depends on the session. */
export async function suspendSessions(db: Database): Promise<void> {
  const { rows } = await db.withSystem("find sessions of ended runs", (tx) =>
    tx.execute<{ run_id: string; org_id: string }>(sql`
      select r.id as run_id, s.org_id from agent_sessions s, runs r where ${hasLostItsRun}`),
  );
  for (const { run_id, org_id } of rows) {
    await db.tenant(org_id, (tx) => suspendSession(tx, run_id));
  }
}

/** Whether the run of a session has ended, if it had one. */
export async function hasRunEnded(tx: Queryable, sessionId: string): Promise<boolean> {
  const { rows } = await tx.execute<{ is_running: boolean }>(
    sql`select exists (select from runs r join agent_sessions s on s.run_id = r.id
      where s.id = ${sessionId} and r.ended_at is null) as is_running`,
  );
  return rows[0]?.is_running !== true;
}
