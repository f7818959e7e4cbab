import { and, asc, eq, isNotNull, isNull, or, sql, type SQL } from "drizzle-orm";
import type { Queryable } from "../../../db/connection/connect.js";
import { isHome } from "../../../cluster/home-of.js";
import { agents, agentSessions, runs } from "../../../db/tables/tables.js";
import { taskAttempts, tasks } from "../../../db/tables/task-tables.js";
import type { AttemptRow } from "./queries/attempts.queries.js";

export type TaskRow = typeof tasks.$inferSelect;

/** Finds a task and locks its row until the end of the transaction. */
export async function lockTask(tx: Queryable, id: string): Promise<TaskRow | undefined> {
  const [row] = await tx
    .select()
    .from(tasks)
    .where(and(eq(tasks.id, id), eq(tasks.is_undone, false)))
    .for("no key update");
  return row;
}

export async function updateTask(
  tx: Queryable,
  id: string,
  changes: Partial<typeof tasks.$inferInsert>,
): Promise<void> {
  await tx
    .update(tasks)
    .set({ ...changes, updated_at: sql`clock_timestamp()` })
    .where(eq(tasks.id, id));
}

/** Derives the status and the attention of a task after a change of its own. */
export async function refreshTask(tx: Queryable, id: string): Promise<void> {
  await tx.execute(sql`select refresh_task(${id})`);
}

export async function deleteTask(tx: Queryable, id: string): Promise<void> {
  await tx.delete(tasks).where(eq(tasks.id, id));
}

/** A task with its organization. */
export interface TaskOfOrganization {
  id: string;
  org_id: string;
}

/** Tasks of a node that are being undone or canceled, of the organizations that the transaction sees. */
export async function listUnfinished(
  db: Queryable,
  nodeId: string,
): Promise<{ undone: TaskOfOrganization[]; cancelled: TaskOfOrganization[] }> {
  const cancelled = await db
    .selectDistinct({ id: tasks.id, org_id: tasks.org_id })
    .from(tasks)
    .innerJoin(taskAttempts, eq(taskAttempts.task_id, tasks.id))
    .innerJoin(agents, eq(agents.id, taskAttempts.agent_id))
    .where(
      and(
        eq(tasks.resolution, "cancelled"),
        isNull(agents.terminated_at),
        isHome(nodeId, tasks.project_id),
      ),
    );
  const undone = await db
    .select({ id: tasks.id, org_id: tasks.org_id })
    .from(tasks)
    .where(and(eq(tasks.is_undone, true), isHome(nodeId, tasks.project_id)));
  return { undone, cancelled };
}

/** Lists a node's attempts whose session was not started. Requires a system transaction. */
export async function listUnstarted(db: Queryable, nodeId: string): Promise<AttemptRow[]> {
  const rows = await db
    .select({ attempt: taskAttempts })
    .from(taskAttempts)
    .innerJoin(tasks, eq(tasks.id, taskAttempts.task_id))
    .where(
      and(
        isNull(taskAttempts.start_error),
        isNull(taskAttempts.stopped_at),
        isNull(taskAttempts.archived_at),
        isNull(tasks.resolution),
        eq(tasks.is_undone, false),
        isHome(nodeId, tasks.project_id),
        sql`not exists (select from agent_sessions s where s.id = ${taskAttempts.session_id})`,
        // Work that came from a forge waits for its first prompt.
        sql`not exists (select from workspaces w
          where w.agent_id = ${taskAttempts.agent_id} and w.start_commit is not null)`,
      ),
    );
  return rows.map(({ attempt }) => attempt);
}

/**
 * Lists a node's attempts whose session cannot go on, and has prompts that its program did not get: a new session gets
 * them. A program that ends before its first turn is not started again, unless it was lost.
 */
export async function listLostStarts(db: Queryable, nodeId: string): Promise<AttemptRow[]> {
  const rows = await db
    .select({ attempt: taskAttempts })
    .from(taskAttempts)
    .innerJoin(tasks, eq(tasks.id, taskAttempts.task_id))
    .innerJoin(agentSessions, eq(agentSessions.id, taskAttempts.session_id))
    .innerJoin(runs, eq(runs.id, agentSessions.run_id))
    .where(
      and(
        eq(agentSessions.status, "failed"),
        isNotNull(runs.ended_at),
        or(eq(runs.status, "lost"), isNotNull(agentSessions.turn_started_at)),
        isNull(agentSessions.closed_at),
        isNull(taskAttempts.start_error),
        isNull(taskAttempts.stopped_at),
        isNull(taskAttempts.archived_at),
        isNull(tasks.resolution),
        isHome(nodeId, tasks.project_id),
        sql`exists (select from agent_session_inputs i where i.session_id = ${agentSessions.id}
          and i.kind = 'prompt' and i.taken_at is null and not i.is_held)`,
      ),
    );
  return rows.map(({ attempt }) => attempt);
}

/** A program that goes on though its task is finished. */
export interface FinishedRun extends Record<string, unknown> {
  run_id: string;
  org_id: string;
  task_id: string;
  session_id: string;
  attempt_id: string;
  agent_id: string;
  /** Whether its attempt was merged. */
  is_merged: boolean;
}

/** Lists the programs of a node that go on though their task is finished. Requires a system transaction. */
export async function listRunningFinished(db: Queryable, nodeId: string): Promise<FinishedRun[]> {
  const { rows } = await db.execute<FinishedRun>(sql`
    select r.id as run_id, r.org_id, t.id as task_id, s.id as session_id, a.id as attempt_id, a.agent_id,
      state.status = 'merged' as is_merged
    from runs r
    join agent_sessions s on s.run_id = r.id
    join task_attempts a on a.session_id = s.id
    join tasks t on t.id = a.task_id and t.resolution is not null
    cross join lateral task_attempt_state(a) state
    where r.status = 'running' and r.stop_status is null and ${isHome(nodeId, sql`t.project_id`)}`);
  return rows;
}

/** Lists a node's attempts that wait for a free place. Requires a system transaction. */
export async function listWaitingForPlace(db: Queryable, nodeId: string): Promise<AttemptRow[]> {
  const rows = await db
    .select({ attempt: taskAttempts })
    .from(taskAttempts)
    .innerJoin(tasks, eq(tasks.id, taskAttempts.task_id))
    .where(
      and(
        sql`${taskAttempts.start_error} ->> 'code' in ('quota_exceeded', 'workspace_busy')`,
        isNull(taskAttempts.stopped_at),
        isNull(taskAttempts.archived_at),
        isNull(tasks.resolution),
        eq(tasks.is_undone, false),
        isHome(nodeId, tasks.project_id),
        sql`not exists (select from agent_sessions s where s.id = ${taskAttempts.session_id})`,
      ),
    )
    .orderBy(asc(taskAttempts.id));
  return rows.map(({ attempt }) => attempt);
}

/** A session that works, with the silence that its project allows. */
export interface WorkingSession extends Record<string, unknown> {
  id: string;
  org_id: string;
  project_id: string;
  minutes: number;
  silent_since: Date | null;
}

/** Lists the sessions of a node that work on tasks. Requires a system transaction. */
export async function listWorkingSessions(
  db: Queryable,
  nodeId: string,
): Promise<WorkingSession[]> {
  const { rows } = await db.execute<WorkingSession>(sql`
    select s.id, s.org_id, g.project_id, p.stuck_after_minutes as minutes, s.silent_since
    from task_attempts a
    join agent_sessions s on s.id = a.session_id and s.status = 'working'
    join agents g on g.id = a.agent_id
    join projects p on p.id = g.project_id and p.deleted_at is null
    where a.archived_at is null and ${isHome(nodeId, sql`p.id`)}`);
  return rows;
}

export async function setSilence(
  tx: Queryable,
  sessionId: string,
  since: Date | null,
): Promise<void> {
  await tx.execute(sql`
    update agent_sessions set silent_since = ${since === null ? null : since.toISOString()}::timestamptz
    where id = ${sessionId} and status = 'working'`);
}

/** Lists a node's tasks whose dependencies are done and that start automatically, of the organizations that `db` sees. */
export async function listDue(
  db: Queryable,
  nodeId: string,
  limit: number,
): Promise<TaskOfOrganization[]> {
  return db
    .select({ id: tasks.id, org_id: tasks.org_id })
    .from(tasks)
    .where(isDue(nodeId))
    .orderBy(asc(tasks.id))
    .limit(limit);
}

function isDue(nodeId: string): SQL | undefined {
  return and(
    sql`${tasks.launch} is not null`,
    isNull(tasks.held_since),
    isNull(tasks.start_error),
    isNull(tasks.resolution),
    sql`exists (select from projects p join organizations o on o.id = p.org_id
      where p.id = ${tasks.project_id} and p.deleted_at is null and o.archived_at is null)`,
    eq(tasks.is_undone, false),
    isHome(nodeId, tasks.project_id),
    sql`not exists (select from task_dependencies d join tasks t on t.id = d.depends_on
      where d.task_id = ${tasks.id} and t.resolution is distinct from 'done')`,
  );
}

/** Lists the organizations in which the watch of tasks has something to do. Requires a system transaction. */
export async function listOrganizationsToLookAt(db: Queryable, nodeId: string): Promise<string[]> {
  const due = await db.selectDistinct({ org_id: tasks.org_id }).from(tasks).where(isDue(nodeId));
  const { undone, cancelled } = await listUnfinished(db, nodeId);
  const rows = [
    ...due,
    ...undone,
    ...cancelled,
    ...(await listRunningFinished(db, nodeId)),
    ...(await listLostStarts(db, nodeId)),
    ...(await listWaitingForPlace(db, nodeId)),
  ];
  return [...new Set(rows.map(({ org_id }) => org_id))];
}
