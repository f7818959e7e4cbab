/** Inputs that callers send to a session, for the server process that runs its program. */
import { and, eq, inArray, isNull, sql, type SQL } from "drizzle-orm";
import type { Session } from "#shared/api/work/sessions.js";
import { isHome } from "../../../../cluster/home-of.js";
import type { Origin } from "../../../../db/audit/audit.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { agentSessionInputs } from "../../../../db/tables/tables.js";
import { lockSession, statusWhenReady, updateSession } from "./sessions.queries.js";

export interface SessionInput {
  number: number;
  kind: (typeof agentSessionInputs.$inferSelect)["kind"];
  data: Record<string, string>;
  sent_by: Session["created_by"];
}

type NewInput = Omit<SessionInput, "number" | "sent_by"> & {
  sent_by: SQL<Session["created_by"]>;
  /** The request of a prompt, which may have to be sent after a restart. */
  origin?: Origin;
};

/** Returns its number. */
export async function insertInput(
  tx: Queryable,
  session: { id: string; org_id: string },
  input: NewInput,
): Promise<number> {
  const [row] = await tx
    .insert(agentSessionInputs)
    .values({ ...input, org_id: session.org_id, session_id: session.id } as never)
    .returning({ number: agentSessionInputs.number });
  return (row as { number: number }).number;
}

/**
 * Takes what has been sent to a session, oldest first, while its run goes on and is not to end; each input is taken
 * once.
 * @param what the oldest prompt, with which the session is at work, or everything else
 */
export async function takeInputs(
  tx: Queryable,
  sessionId: string,
  runId: string,
  what: "prompt" | "others",
): Promise<SessionInput[]> {
  const isPrompt = what === "prompt";
  if (isPrompt) {
    if ((await countWaiting(tx, sessionId)) === 0) return [];
    // The end of a program at rest takes the same lock, and a stop of a task locks it before its prompts.
    const session = await lockSession(tx, sessionId);
    if (session?.run_id !== runId || !session.isRunning) return [];
    await updateSession(tx, sessionId, { status: "working" }, runId);
  }
  const { rows } = await tx.execute<SessionInput & Record<string, unknown>>(sql`
    update agent_session_inputs set taken_at = clock_timestamp()
    where taken_at is null and number in (
      select i.number from agent_session_inputs i
      join agent_sessions s on s.id = i.session_id and s.run_id = ${runId}
      join runs r on r.id = s.run_id and r.status = 'running' and r.exited_at is null
        and r.stop_status is null
      where i.session_id = ${sessionId} and i.taken_at is null and (i.kind = 'prompt') = ${isPrompt}
      order by i.number limit ${isPrompt ? 1 : 100})
    returning number::int, kind, data, sent_by`);
  if (isPrompt && rows.length === 0) {
    await updateSession(tx, sessionId, { status: statusWhenReady }, runId);
  }
  return rows.toSorted((a, b) => a.number - b.number);
}

/** Gives the prompts of a session that were not taken yet to the one that follows it. */
export async function movePrompts(tx: Queryable, from: string, to: string): Promise<void> {
  await tx.update(agentSessionInputs).set({ session_id: to }).where(isWaitingPrompt(from));
}

/** A session whose prompts wait though no program runs, with the request of the oldest one. */
export interface StrandedSession extends Record<string, unknown> {
  id: string;
  org_id: string;
  origin: Origin;
}

/**
 * Lists the sessions of a node whose prompts wait though no program runs, as after the server was killed between a
 * prompt and its start, or a program that has ended without it.
 */
export async function listStranded(tx: Queryable, nodeId: string): Promise<StrandedSession[]> {
  const { rows } = await tx.execute<StrandedSession>(sql`
    select distinct on (s.id) s.id, s.org_id, coalesce(i.origin, former.origin) as origin
    from agent_session_inputs i
    join agent_sessions s on s.id = i.session_id
    join agents a on a.id = s.agent_id and a.terminated_at is null
    join runs former on former.id = s.run_id and former.ended_at is not null
    where i.kind = 'prompt' and i.taken_at is null and not i.is_held and s.closed_at is null
      and s.status <> 'failed' and s.resumes_by is not null and ${isHome(nodeId, sql`a.project_id`)}
      and not exists (select from runs r where r.agent_id = s.agent_id and r.status = 'running'
        and r.kind not in ('check', 'review'))
    order by s.id, i.number limit 100`);
  return rows;
}

/** Forgets an input. Returns false if it was taken, or forgotten before. */
export async function dropInput(tx: Queryable, number: number): Promise<boolean> {
  const dropped = await tx
    .delete(agentSessionInputs)
    .where(and(eq(agentSessionInputs.number, number), isNull(agentSessionInputs.taken_at)))
    .returning({ number: agentSessionInputs.number });
  return dropped.length > 0;
}

const isWaitingPrompt = (sessionId: string): SQL | undefined =>
  and(
    eq(agentSessionInputs.session_id, sessionId),
    eq(agentSessionInputs.kind, "prompt"),
    isNull(agentSessionInputs.taken_at),
  );

/** Forgets the prompts of a session that were not taken yet. */
export async function dropPrompts(tx: Queryable, sessionId: string): Promise<void> {
  await tx.delete(agentSessionInputs).where(isWaitingPrompt(sessionId));
}

/** Returns how many prompts wait for a turn. */
export function countWaiting(tx: Queryable, sessionId: string): Promise<number> {
  return tx.$count(agentSessionInputs, isWaitingPrompt(sessionId));
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
