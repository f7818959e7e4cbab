import { sql } from "drizzle-orm";
import type { AgentWork } from "#shared/api/work/overview.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { isAtRestSince, lastEndedRunOf, titleOf } from "./last-run.js";

type Current = NonNullable<AgentWork["current"]>;
type Outcome = NonNullable<AgentWork["last_outcome"]>;

/** An agent with its runs, without what git and files tell. */
export interface WorkRow
  extends
    Record<string, unknown>,
    Pick<
      AgentWork,
      | "agent_id"
      | "agent_name"
      | "project_id"
      | "project_name"
      | "description"
      | "task_id"
      | "task_number"
      | "task_title"
      | "task_owner_id"
      | "branch_name"
      | "base_branch"
      | "cost_usd"
    > {
  head_commit: string | null;
  /** Whether its workspace has a branch now. */
  has_branch: boolean;
  /** Without its position in the queue. */
  current: Current | null;
  last_outcome: Outcome | null;
  /** Whether it has begun nothing since its last run. */
  is_at_rest: boolean;
  /** A session that waits for a permission. */
  waiting_session_id: string | null;
}

interface Filter {
  /** Only this agent. */
  agentId: string | null;
  /** Whether to name the tasks of the agents. */
  seesTasks: boolean;
  projectId: string | null;
  /** Only agents with a current run, or only those without one; null for all. */
  isRunning: boolean | null;
  /** The id of the last agent of the previous page; null starts with the first. */
  after: string | null;
}

/** A time as the API tells it. */
const timeOf = (column: string) =>
  sql.raw(`to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`);

/** Lists the agents that are not terminated, by id. */
export async function listWork(
  tx: Queryable,
  orgId: string,
  { agentId, seesTasks, projectId, isRunning, after }: Filter,
  limit: number,
): Promise<WorkRow[]> {
  const { rows } = await tx.execute<WorkRow>(sql`
    select a.id as agent_id, a.name as agent_name, a.description,
      t.id as task_id, t.number as task_number, coalesce(t.title, a.task_title) as task_title,
      t.owner_id as task_owner_id,
      p.id as project_id, p.name as project_name,
      w.branch_name, w.base_branch, w.head_commit,
      coalesce(w.head_commit is not null and w.status <> 'archived', false) as has_branch,
      case when cur.id is not null then json_build_object('run_id', cur.id, 'kind', cur.kind,
        'title', cur.title, 'command', cur.command, 'preset', cur.preset, 'started_at', ${timeOf("cur.started_at")},
        'session_id', cur.session_id, 'session_status', cur.session_status,
        'queue_position', null, 'stop_requested', cur.stop_requested) end as current,
      case when last.id is not null then json_build_object('run_id', last.id, 'status', last.status,
        'exit_code', last.exit_code, 'ended_at', ${timeOf("last.ended_at")},
        'session_id', last.session_id) end as last_outcome,
      coalesce(${isAtRestSince(sql`a.id`)}, true) as is_at_rest,
      waiting.id as waiting_session_id,
      coalesce(spent.cost, 0)::float8 as cost_usd
    from agents a
    join projects p on p.id = a.project_id and p.deleted_at is null
    left join task_attempts x on x.agent_id = a.id and ${seesTasks}
    left join tasks t on t.id = x.task_id
    left join workspaces w on w.agent_id = a.id and w.status <> 'expired'
    left join lateral (
      select r.id, r.kind, r.started_at, r.session_id, s.status as session_status, r.command, r.preset,
        r.stop_status is not null as stop_requested, ${titleOf} as title
      from (
        select * from runs where agent_id = a.id and status = 'running'
        union all
        select * from runs where org_id = ${orgId} and status = 'queued' and agent_id = a.id
      ) r left join agent_sessions s on s.id = r.session_id
      where r.kind not in ('check', 'review')
      order by r.status desc, r.id limit 1) cur on true
    left join lateral ${lastEndedRunOf(sql`a.id`)} last on true
    left join lateral (
      select s.id from agent_sessions s
      where s.org_id = ${orgId} and s.agent_id = a.id and s.status = 'waiting_for_permission'
      limit 1) waiting on true
    left join lateral (
      select sum(m.cost_nanousd) / 1e9 as cost from model_spending m where m.owner_id = a.id) spent on true
    where a.org_id = ${orgId} and not a.name_released and a.terminated_at is null
      and (${agentId}::uuid is null or a.id = ${agentId}::uuid)
      and (${projectId}::uuid is null or a.project_id = ${projectId}::uuid)
      and (${isRunning}::boolean is null or (cur.id is not null) = ${isRunning}::boolean)
      and (${after}::uuid is null or a.id > ${after}::uuid)
    order by a.id limit ${limit}`);
  return rows;
}
