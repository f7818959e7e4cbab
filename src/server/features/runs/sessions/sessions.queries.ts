import { and, desc, eq, inArray, isNull, lt, sql, type SQL } from "drizzle-orm";
import type { Session } from "#shared/api/agents/sessions.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { agentSessionInputs, agentSessions } from "../../../db/tables/tables.js";

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
  >
> & { status?: SessionRow["status"] | SQL };

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

/**
 * Gives the sessions whose run has ended without a word of their server process the status that follows
 * from it. Returns them.
 * @param runId only the session of this run
 */
export async function settleSessions(tx: Queryable, runId: string | null): Promise<void> {
  await tx.execute(sql`
    update agent_sessions s set
      status = case when s.resumes_by is null then 'failed' else 'idle' end,
      detail = case when s.resumes_by is null
        then 'Its program has ended and cannot take up a session again. ' || coalesce(r.detail, '')
        else 'Its program has ended; the next prompt starts it again. ' || coalesce(r.detail, '') end,
      permissions = '[]', updated_at = now()
    from runs r
    where r.id = s.run_id and r.ended_at is not null
      and (${runId}::uuid is null or r.id = ${runId}::uuid)
      and (s.status in ('starting', 'working', 'waiting_for_permission')
        or (s.status = 'idle' and s.resumes_by is null))`);
}

export interface SessionInput {
  number: number;
  kind: (typeof agentSessionInputs.$inferSelect)["kind"];
  data: Record<string, string>;
  sent_by: Session["created_by"];
}

/** Returns its number. */
export async function insertInput(
  tx: Queryable,
  session: { id: string; org_id: string },
  input: Omit<SessionInput, "number" | "sent_by"> & { sent_by: SQL<Session["created_by"]> },
): Promise<number> {
  const [row] = await tx
    .insert(agentSessionInputs)
    .values({ ...input, org_id: session.org_id, session_id: session.id } as never)
    .returning({ number: agentSessionInputs.number });
  return (row as { number: number }).number;
}

/**
 * Takes what has been sent to a session, oldest first, while its run is in progress; each input is taken
 * once.
 * @param what the oldest prompt, or everything else
 */
export async function takeInputs(
  tx: Queryable,
  sessionId: string,
  runId: string,
  what: "prompt" | "others",
): Promise<SessionInput[]> {
  const isPrompt = what === "prompt";
  const { rows } = await tx.execute<SessionInput & Record<string, unknown>>(sql`
    update agent_session_inputs set taken_at = now()
    where taken_at is null and number in (
      select i.number from agent_session_inputs i
      join agent_sessions s on s.id = i.session_id and s.run_id = ${runId}
      join runs r on r.id = s.run_id and r.status = 'running' and r.exited_at is null
      where i.session_id = ${sessionId} and i.taken_at is null and (i.kind = 'prompt') = ${isPrompt}
      order by i.number limit ${isPrompt ? 1 : 100})
    returning number::int, kind, data, sent_by`);
  return rows.toSorted((one, other) => one.number - other.number);
}

/** Forgets an input that was not taken yet. */
export async function dropInput(tx: Queryable, number: number): Promise<void> {
  await tx
    .delete(agentSessionInputs)
    .where(and(eq(agentSessionInputs.number, number), isNull(agentSessionInputs.taken_at)));
}

/** Forgets the prompts of a session that were not taken yet. */
export async function dropPrompts(tx: Queryable, sessionId: string): Promise<void> {
  await tx
    .delete(agentSessionInputs)
    .where(
      and(
        eq(agentSessionInputs.session_id, sessionId),
        eq(agentSessionInputs.kind, "prompt"),
        isNull(agentSessionInputs.taken_at),
      ),
    );
}

/** Returns how many prompts wait for a turn. */
export function countWaiting(tx: Queryable, sessionId: string): Promise<number> {
  return tx.$count(
    agentSessionInputs,
    and(
      eq(agentSessionInputs.session_id, sessionId),
      eq(agentSessionInputs.kind, "prompt"),
      isNull(agentSessionInputs.taken_at),
    ),
  );
}

/**
 * Forgets a choice that was not taken yet, since another one takes its place: without a program, they wait for
 * the next one.
 */
export async function dropChoice(
  tx: Queryable,
  sessionId: string,
  choice: { kind: "mode" } | { kind: "option"; id: string },
): Promise<void> {
  await tx
    .delete(agentSessionInputs)
    .where(
      and(
        eq(agentSessionInputs.session_id, sessionId),
        eq(agentSessionInputs.kind, choice.kind),
        isNull(agentSessionInputs.taken_at),
        choice.kind === "option"
          ? sql`${agentSessionInputs.data} ->> 'id' = ${choice.id}`
          : undefined,
      ),
    );
}

/** Whether the run of a session has ended, if it had one. */
export async function hasRunEnded(tx: Queryable, sessionId: string): Promise<boolean> {
  const { rows } = await tx.execute<{ is_running: boolean }>(
    sql`select exists (select from runs r join agent_sessions s on s.run_id = r.id
      where s.id = ${sessionId} and r.ended_at is null) as is_running`,
  );
  return rows[0]?.is_running !== true;
}

/** Whether an answer to a request for a permission was sent. */
export async function isAnswered(
  tx: Queryable,
  sessionId: string,
  requestId: string,
): Promise<boolean> {
  const rows = await tx
    .select({ number: agentSessionInputs.number })
    .from(agentSessionInputs)
    .where(
      and(
        eq(agentSessionInputs.session_id, sessionId),
        inArray(agentSessionInputs.kind, ["permission"]),
        sql`${agentSessionInputs.data} ->> 'request_id' = ${requestId}`,
      ),
    );
  return rows.length > 0;
}
