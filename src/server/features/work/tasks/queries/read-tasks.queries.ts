import { eq, inArray, sql } from "drizzle-orm";
import type { Queryable } from "../../../../db/connection/connect.js";
import type { Attempt, Task } from "#shared/api/work/tasks.js";
import type { PresetName } from "#shared/execution/run-choices.js";
import { projects } from "../../../../db/tables/tables.js";
import { tasks } from "../../../../db/tables/task-tables.js";
import { type AssignedPerson, assignedPeople } from "./assignees.queries.js";
import type { TaskRow } from "../tasks.queries.js";

/** Whether an agent's own task is the parent of a task: it directs its child tasks alone. */
export async function isChildOfAgent(
  tx: Queryable,
  taskId: string,
  agentId: string,
): Promise<boolean> {
  const { rows } = await tx.execute(sql`
    select from tasks t join task_attempts x on x.task_id = t.parent_task_id
    where t.id = ${taskId} and x.agent_id = ${agentId}`);
  return rows.length > 0;
}

/** Whether an agent works on the task `t` or on its parent. */
export const isOfAgent = (agentId: string) => sql`exists (select from task_attempts x
  where x.agent_id = ${agentId} and x.task_id in (t.id, t.parent_task_id))`;

export async function isTaskOfAgent(
  tx: Queryable,
  taskId: string,
  agentId: string,
): Promise<boolean> {
  const { rows } = await tx.execute(
    sql`select from tasks t where t.id = ${taskId} and ${isOfAgent(agentId)}`,
  );
  return rows.length > 0;
}

/** An attempt with its derived state and the parts it has. */
export interface ReadAttempt extends Record<string, unknown> {
  id: string;
  task_id: string;
  number: number;
  agent_id: string;
  agent_name: string;
  session_id: string | null;
  run_ids: string[];
  preset: PresetName;
  model: string | null;
  status: Attempt["status"];
  detail: string | null;
  branch: string;
  base_branch: string;
  head_commit: string | null;
  parent_commit: string | null;
  merge_request: Attempt["merge_request"];
  /** Who requested the open merge. */
  requester_id: string | null;
  /** At the end of the last turn. */
  changes: Attempt["changes"];
  cost_usd: number;
  tokens: number;
  started_at: string | null;
  ended_at: string | null;
}

/** Reads the attempts of tasks, by number. */
export async function readAttempts(
  tx: Queryable,
  taskIds: readonly string[],
): Promise<ReadAttempt[]> {
  const { rows } = await tx.execute<ReadAttempt>(sql`
    select a.id, a.task_id, a.number, a.agent_id, g.name as agent_name, s.id as session_id,
      array(select r.id from runs r where r.session_id = a.session_id order by r.id desc limit 20) as run_ids,
      a.preset, a.launch ->> 'model' as model, state.status,
      case when state.status = 'failed' then state.summary end as detail,
      coalesce(w.branch_name, 'workspace-' || g.name) as branch, coalesce(w.base_branch, p.default_branch) as base_branch,
      w.head_commit, w.parent_commit, q.merge_request, q.requester_id, s.turn_changes as changes,
      coalesce(spent.cost, 0)::float8 as cost_usd, coalesce(spent.tokens, 0)::float8 as tokens,
      wire_time(span.started_at) as started_at,
      case when not span.goes_on then wire_time(span.ended_at) end as ended_at
    from task_attempts a
    join agents g on g.id = a.agent_id
    join projects p on p.id = g.project_id
    cross join lateral task_attempt_state(a) state
    left join workspaces w on w.agent_id = a.agent_id
    left join agent_sessions s on s.id = a.session_id
    left join lateral (
      select json_build_object('id', q.id, 'status', q.status, 'reason', q.reason) as merge_request,
        q.requested_by ->> 'id' as requester_id
      from merge_requests q
      where q.org_id = a.org_id and q.agent_id = a.agent_id and q.kind = 'merge' and q.ended_at is null
      order by q.id desc limit 1) q on true
    left join lateral (
      select sum(m.cost_nanousd) / 1e9 as cost, sum(m.tokens) as tokens
      from model_spending m where m.owner_id = a.agent_id) spent on true
    left join lateral (
      select min(r.started_at) as started_at, max(r.ended_at) as ended_at,
        bool_or(r.ended_at is null) as goes_on
      from runs r where r.session_id = a.session_id) span on true
    where a.task_id = any(${sql.param([...taskIds])}::uuid[])
    order by a.task_id, a.number`);
  return rows;
}

export interface ReadTask extends TaskRow {
  project_name: string;
  owner_name: string | null;
  people: AssignedPerson[];
  depends_on: string[];
  /** Whether the project is linked to a repository on a forge. */
  is_linked: boolean;
  pull_request: Task["pull_request"];
}

/** Reads tasks that exist, in no order. */
export async function readTasks(tx: Queryable, ids: readonly string[]): Promise<ReadTask[]> {
  if (ids.length === 0) return [];
  const rows = await tx
    .select({
      task: tasks,
      project_name: projects.name,
      owner_name: sql<
        string | null
      >`(select coalesce(u.full_name, u.email) from users u where u.id = ${tasks.owner_id})`,
      people: assignedPeople(tasks.id),
      depends_on: sql<
        string[]
      >`array(select d.depends_on from task_dependencies d where d.task_id = ${tasks.id} order by d.depends_on)`,
      is_linked: sql<boolean>`exists (
        select from project_repositories r where r.project_id = ${tasks.project_id})`,
      pull_request: sql<
        Task["pull_request"]
      >`(select json_build_object('id', q.id, 'number', q.number,
        'url', q.url, 'state', q.state, 'review_decision', q.review_decision, 'checks', q.checks,
        'mergeable', q.mergeable, 'error', q.error)
        from pull_requests q where q.task_id = ${tasks.id} order by q.id desc limit 1)`,
    })
    .from(tasks)
    .innerJoin(projects, eq(projects.id, tasks.project_id))
    .where(inArray(tasks.id, [...ids]));
  return rows.map(({ task, ...rest }) => ({ ...task, ...rest }));
}
