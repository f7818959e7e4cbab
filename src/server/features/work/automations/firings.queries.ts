import { and, desc, eq, inArray, sql, type SQL } from "drizzle-orm";
import type { Firing } from "#shared/api/work/automations.js";
import { isHome } from "../../../cluster/home-of.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { automationFirings as firings } from "../../../db/tables/automation-tables.js";
import { tasks } from "../../../db/tables/task-tables.js";
import { commitChecks as checks } from "../../../db/tables/workspace-tables.js";

export type FiringRow = typeof firings.$inferSelect;
export type NewFiring = typeof firings.$inferInsert;

/** How long a server has a firing for itself. */
const CLAIM_SECONDS = 60;
/** Bytes of values that a decided firing keeps. */
const MAX_KEPT = 16 * 1024;

export const claimed: SQL<string> = sql`clock_timestamp() + make_interval(secs => ${CLAIM_SECONDS})`;

/** Adds a firing unless the event has one already. Returns whether it is new. */
export async function insertFiring(tx: Queryable, row: NewFiring): Promise<boolean> {
  const rows = await tx
    .insert(firings)
    .values(row)
    .onConflictDoNothing({ target: [firings.automation_id, firings.event_id] })
    .returning({ id: firings.id });
  return rows.length > 0;
}

export async function findFiring(tx: Queryable, id: string): Promise<FiringRow | undefined> {
  const [row] = await tx.select().from(firings).where(eq(firings.id, id));
  return row;
}

export async function findFiringOfEvent(
  tx: Queryable,
  automationId: string,
  eventId: string,
): Promise<FiringRow | undefined> {
  const [row] = await tx
    .select()
    .from(firings)
    .where(and(eq(firings.automation_id, automationId), eq(firings.event_id, eventId)));
  return row;
}

/** Finds the newest firing of an automation that still has its values. */
export async function findLastFiring(
  tx: Queryable,
  automationId: string,
): Promise<FiringRow | undefined> {
  const [row] = await tx
    .select()
    .from(firings)
    .where(
      and(eq(firings.automation_id, automationId), sql`${firings.event} -> 'values' <> 'null'`),
    )
    .orderBy(desc(firings.created_at), desc(firings.id))
    .limit(1);
  return row;
}

/** Locks a firing that is not decided; undefined for one that is. */
export async function lockOpenFiring(tx: Queryable, id: string): Promise<FiringRow | undefined> {
  const [row] = await tx
    .select()
    .from(firings)
    .where(and(eq(firings.id, id), inArray(firings.decision, ["pending", "acting", "queued"])))
    .for("no key update");
  return row;
}

export type Outcome = Pick<FiringRow, "decision" | "reason"> & {
  task_id?: string | null;
  chain?: number;
};

/** Records what was decided. Returns whether the firing was still open. */
export async function decide(tx: Queryable, id: string, outcome: Outcome): Promise<boolean> {
  const isOver = !["queued", "acting"].includes(outcome.decision);
  const rows = await tx
    .update(firings)
    .set({
      ...outcome,
      ...(outcome.decision !== "acting" && { claimed_until: null }),
      ...(isOver && {
        decided_at: sql`clock_timestamp()`,
        event: sql`case when pg_column_size(${firings.event}) > ${MAX_KEPT}
          then ${firings.event} || '{"values": null}' else ${firings.event} end`,
      }),
    })
    .where(and(eq(firings.id, id), inArray(firings.decision, ["pending", "acting", "queued"])))
    .returning({ id: firings.id });
  return rows.length > 0;
}

/** Locks the firings among them that are not decided. Returns their ids. */
export async function lockOpenFirings(tx: Queryable, ids: readonly string[]): Promise<Set<string>> {
  const rows = await tx
    .select({ id: firings.id })
    .from(firings)
    .where(
      and(
        inArray(firings.id, [...ids]),
        inArray(firings.decision, ["pending", "acting", "queued"]),
      ),
    )
    .orderBy(firings.id)
    .for("no key update");
  return new Set(rows.map(({ id }) => id));
}

/** Records what was decided about firings that are open and locked. None of them is `acting` then. */
export async function decideAll(
  tx: Queryable,
  outcomes: readonly (Outcome & { id: string })[],
): Promise<void> {
  if (outcomes.length === 0) return;
  const list = JSON.stringify(outcomes);
  await tx.execute(sql`
    update automation_firings f set decision = o.decision, reason = o.reason,
      task_id = coalesce(o.task_id, f.task_id), chain = coalesce(o.chain, f.chain), claimed_until = null,
      decided_at = case when o.decision <> 'queued' then clock_timestamp() end,
      event = case when o.decision <> 'queued' and pg_column_size(f.event) > ${MAX_KEPT}
        then f.event || '{"values": null}' else f.event end
    from jsonb_to_recordset(${list}::jsonb)
      as o(id uuid, decision text, reason text, task_id uuid, chain integer)
    where f.id = o.id and f.decision in ('pending', 'acting', 'queued')`);
}

/** Records the end of an `acting` firing. Returns whether it was still open. */
export async function endActing(tx: Queryable, id: string, outcome: Outcome): Promise<boolean> {
  const rows = await tx
    .update(firings)
    .set({ ...outcome, claimed_until: null, decided_at: sql`clock_timestamp()` })
    .where(and(eq(firings.id, id), eq(firings.decision, "acting")))
    .returning({ id: firings.id });
  return rows.length > 0;
}

/** Takes the end of a firing back whose prompt was removed again. */
export async function reopenFired(tx: Queryable, id: string): Promise<void> {
  await tx
    .update(firings)
    .set({ decision: "acting", decided_at: null })
    .where(and(eq(firings.id, id), eq(firings.decision, "fired")));
}

export async function deleteFirings(tx: Queryable, ids: readonly string[]): Promise<void> {
  if (ids.length > 0) await tx.delete(firings).where(inArray(firings.id, [...ids]));
}

const isOfHome = (nodeId: string): SQL => isHome(nodeId, firings.project_id);
const isFree = sql`(${firings.claimed_until} is null or ${firings.claimed_until} < clock_timestamp())`;

/** Whether a firing creates a task and stops none, so that it is decided together with others. */
const isSimple = sql`exists (select from automations a where a.id = ${firings.automation_id}
  and a.action ->> 'type' = 'create_task' and a.overlap <> 'replace')`;

/**
 * Takes open firings of an organization on a node, oldest first: those that are decided together, or those whose action
 * takes its time. Other servers take others.
 */
export async function claimFirings(
  tx: Queryable,
  nodeId: string,
  { limit, together }: { limit: number; together: boolean },
): Promise<FiringRow[]> {
  const open = tx
    .select({ id: firings.id })
    .from(firings)
    .where(
      and(
        inArray(firings.decision, ["pending", "acting"]),
        isFree,
        isOfHome(nodeId),
        together ? isSimple : sql`not ${isSimple}`,
      ),
    )
    .orderBy(firings.created_at, firings.id)
    .limit(limit)
    .for("no key update", { skipLocked: true });
  const rows = await tx
    .update(firings)
    .set({ claimed_until: claimed })
    .where(inArray(firings.id, open))
    .returning();
  return rows.toSorted((one, other) => (one.created_at < other.created_at ? -1 : 1));
}

/** Takes the first queued firing of each automation of an organization. */
export async function claimQueued(tx: Queryable, nodeId: string): Promise<FiringRow[]> {
  return tx
    .update(firings)
    .set({ claimed_until: claimed })
    .where(
      and(
        eq(firings.decision, "queued"),
        isFree,
        isOfHome(nodeId),
        sql`${firings.id} in (select distinct on (q.automation_id) q.id from automation_firings q
          where q.decision = 'queued' order by q.automation_id, q.created_at, q.id)`,
      ),
    )
    .returning();
}

/** Lists the organizations with open firings on a node. Requires a system transaction. */
export async function listOrganizationsWithOpen(tx: Queryable, nodeId: string): Promise<string[]> {
  const rows = await tx
    .selectDistinct({ org_id: firings.org_id })
    .from(firings)
    .where(
      and(inArray(firings.decision, ["pending", "acting", "queued"]), isFree, isOfHome(nodeId)),
    );
  return rows.map(({ org_id }) => org_id);
}

/** Returns the chains of the newest firings that have created or prompted tasks, by the tasks' ids. */
export async function chainsOfTasks(
  tx: Queryable,
  taskIds: readonly string[],
): Promise<Map<string, number>> {
  const { rows } = await tx.execute<{ task_id: string; chain: number }>(sql`
    select distinct on (task_id) task_id, chain from automation_firings
    where task_id = any(${sql.param([...taskIds])}::uuid[]) and decision in ('fired', 'acting')
    order by task_id, created_at desc, id desc`);
  return new Map(rows.map(({ task_id, chain }) => [task_id, chain]));
}

/** Whether the newest firings that were to act have all failed. */
export async function haveAllFailed(
  tx: Queryable,
  automationId: string,
  count: number,
): Promise<boolean> {
  const { rows } = await tx.execute<{ failed: number }>(sql`
    select count(*) filter (where decision = 'failed')::int as failed from (
      select f.decision from automation_firings f join automations a on a.id = f.automation_id
      where f.automation_id = ${automationId} and f.decision in ('fired', 'failed')
        and f.decided_at > a.updated_at
      order by f.decided_at desc limit ${count}) last`);
  return (rows[0]?.failed ?? 0) >= count;
}

/** Marks firings as failed whose task could not start. Returns their automations. */
export async function failUnstarted(tx: Queryable): Promise<string[]> {
  const { rows } = await tx.execute<{ automation_id: string }>(sql`
    update automation_firings f set decision = 'failed',
      reason = left('Its task could not start: ' || coalesce(t.start_error ->> 'detail', a.start_error ->> 'detail'), 1000)
    from tasks t left join task_attempts a on a.task_id = t.id and a.number = 1 and not exists (
      select from agent_sessions s where s.id = a.session_id)
    where f.task_id = t.id and f.decision = 'fired' and t.source ->> 'kind' = 'automation'
      and f.created_at > clock_timestamp() - interval '1 day'
      and coalesce(t.start_error ->> 'code', a.start_error ->> 'code', 'quota_exceeded')
        not in ('quota_exceeded', 'workspace_busy')
    returning f.automation_id`);
  return [...new Set(rows.map(({ automation_id }) => automation_id))];
}

const shown = {
  id: firings.id,
  type: firings.type,
  event_id: firings.event_id,
  event: sql<{ by: string | null; trust: Firing["trust"] }>`${firings.event} - 'values'`,
  at: firings.at,
  chain: firings.chain,
  decision: firings.decision,
  reason: firings.reason,
  task: sql<
    Firing["task"]
  >`case when ${tasks.id} is not null then json_build_object('id', ${tasks.id},
    'number', ${tasks.number}, 'title', ${tasks.title}) end`,
  check: sql<
    Firing["check"]
  >`case when ${checks.id} is not null then json_build_object('name', ${checks.name}, 'status', ${checks.status},
    'branch', ${checks.branch}, 'commit_sha', ${checks.commit_sha}, 'agent_id', ${checks.agent_id}, 'run_id', ${checks.run_id}, 'detail', ${checks.detail}) end`,
  created_at: firings.created_at,
  decided_at: firings.decided_at,
};

/** Lists firings of an automation, newest first, before a time and an id; or one of them. */
export async function listFirings(
  tx: Queryable,
  automationId: string,
  which: { before: readonly [string, string] | null; limit: number } | { id: string },
): Promise<Firing[]> {
  const query = tx
    .select(shown)
    .from(firings)
    .leftJoin(checks, eq(checks.firing_id, firings.id))
    .leftJoin(
      tasks,
      sql`${tasks.id} = coalesce(${firings.task_id}, case when ${checks.id} is not null then ${firings.event_task_id} end)`,
    );
  const rows =
    "id" in which
      ? await query.where(eq(firings.id, which.id))
      : await query
          .where(
            and(
              eq(firings.automation_id, automationId),
              which.before === null
                ? undefined
                : sql`(${firings.created_at}, ${firings.id}) < (${which.before[0]}::timestamptz, ${which.before[1]}::uuid)`,
            ),
          )
          .orderBy(desc(firings.created_at), desc(firings.id))
          .limit(which.limit);
  return rows.map(({ event, decision, ...row }) => ({
    ...row,
    by: event.by,
    trust: event.trust,
    decision: decision === "acting" ? "pending" : decision,
  }));
}

/** Deletes firings that are older than `days`. Returns how many. Requires a system transaction. */
export async function deleteOldFirings(
  tx: Queryable,
  days: number,
  limit: number,
): Promise<number> {
  const { rowCount } = await tx.execute(sql`
    delete from automation_firings where id in (
      select id from automation_firings
      where created_at < now() - make_interval(days => ${days}) and decision not in ('pending', 'acting', 'queued')
      order by created_at limit ${limit})`);
  return rowCount ?? 0;
}
