import { sql } from "drizzle-orm";
import type { AttentionItem } from "#shared/api/work/overview.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { failures, isAtRestSince, lastRunOf } from "./last-run.js";
import type { BranchRow } from "./list-work.js";

type ItemOf<Type extends AttentionItem["type"]> = Extract<AttentionItem, { type: Type }>;
/** A row of an item: its type is known, its task is added later, and its time is the database's. */
type RowOf<Type extends AttentionItem["type"]> = Omit<
  ItemOf<Type>,
  "type" | "at" | "urgency" | `task_${string}`
> & { at: Date } & Record<string, unknown>;

/** The items to read. */
export interface Which {
  /** Only those of this agent. */
  agentId: string | null;
  /** Only items with these keys; null for all. */
  only: readonly string[] | null;
  /** Without items with these keys. */
  except: readonly string[];
}

/** The condition on the expression of an item's key. */
const isWanted = (key: ReturnType<typeof sql>, { only, except }: Which) => sql`(
  (${only === null} or ${key} = any(${sql.param(only ?? [])}::text[]))
  and ${key} <> all(${sql.param(except)}::text[]))`;

const isOf = (agentId: string | null) => sql`(${agentId}::uuid is null or a.id = ${agentId}::uuid)`;

/** An agent `a` that exists, with its project `p`. */
const names = sql`p.id as project_id, p.name as project_name, a.id as agent_id, a.name as agent_name`;
const isThere = sql`a.terminated_at is null and p.deleted_at is null`;

/**
 * When a request for a permission was made: the time in its id, a UUIDv7 of the server. A program can move the time of
 * its session's last change.
 */
const askedAt = sql`case when request ->> 'request_id' ~ '^[0-9a-f]{8}-[0-9a-f]{4}-7'
  then to_timestamp(('x' || left(replace(request ->> 'request_id', '-', ''), 12))::bit(48)::bigint / 1000.0)
  else s.updated_at end`;

/** Lists the requests for permissions that have no answer, newest first. */
export async function listPermissionRequests(
  tx: Queryable,
  orgId: string,
  which: Which,
  limit: number,
): Promise<RowOf<"permission_request">[]> {
  const key = sql`concat_ws(':', 'permission_request', s.id, request ->> 'request_id')`;
  const { rows } = await tx.execute<RowOf<"permission_request">>(sql`
    select ${key} as key, ${askedAt} as at, ${names}, s.id as session_id, s.title as session_title,
      request
    from agent_sessions s
    join agents a on a.id = s.agent_id
    join projects p on p.id = a.project_id
    cross join lateral jsonb_array_elements(s.permissions) request
    where s.org_id = ${orgId} and s.status = 'waiting_for_permission' and ${isThere}
      and not exists (select from agent_session_inputs i where i.session_id = s.id
        and i.kind = 'permission' and i.data ->> 'request_id' = request ->> 'request_id')
      and ${isOf(which.agentId)} and ${isWanted(key, which)}
    order by ${askedAt} desc, key limit ${limit}`);
  return rows;
}

/** A task with the names of its project and of the agent that needs a person. */
interface TaskRow extends Record<string, unknown>, Omit<ItemOf<"task">, "type" | "at" | "changes"> {
  at: Date;
}

/**
 * Lists the tasks that need a person, the most urgent first. A request for a permission, and a merge request that waits
 * for an approval, are items of their own.
 */
export async function listTasks(
  tx: Queryable,
  orgId: string,
  which: Which,
  limit: number,
): Promise<TaskRow[]> {
  const since = sql`(t.attention ->> 'since')::timestamptz`;
  const key = sql`concat_ws(':', 'task', t.id, t.attention ->> 'kind',
    floor(extract(epoch from ${since}) * 1000)::bigint)`;
  const { rows } = await tx.execute<TaskRow>(sql`
    select ${key} as key, ${since} as at, p.id as project_id, p.name as project_name, a.id as agent_id,
      a.name as agent_name, t.id as task_id, t.number as task_number, t.title as task_title,
      t.owner_id as task_owner_id, coalesce(u.full_name, u.email) as task_owner_name, t.urgency,
      t.attention ->> 'kind' as kind, coalesce(t.attention ->> 'summary', '') as summary,
      x.id as attempt_id, s.id as session_id
    from tasks t
    join projects p on p.id = t.project_id and p.deleted_at is null
    left join task_attempts x on x.id = (t.attention ->> 'attempt_id')::uuid
    left join agents a on a.id = x.agent_id
    left join agent_sessions s on s.id = x.session_id
    left join users u on u.id = t.owner_id
    where t.org_id = ${orgId} and t.urgency < 100 and t.attention ->> 'kind' <> 'permission'
      and not (t.attention ->> 'kind' = 'review' and exists (select from merge_requests q
        where q.org_id = t.org_id and q.status = 'waiting_for_approval' and q.agent_id = x.agent_id))
      and (${which.agentId}::uuid is null or exists (select from task_attempts own
        where own.task_id = t.id and own.agent_id = ${which.agentId}::uuid))
      and ${isWanted(key, which)}
    order by t.urgency, ${since} desc, key limit ${limit}`);
  return rows;
}

/** Returns the branches of attempts' agents. */
export async function branchesOfAttempts(
  tx: Queryable,
  attemptIds: readonly string[],
): Promise<BranchRow[]> {
  if (attemptIds.length === 0) return [];
  const { rows } = await tx.execute<BranchRow & Record<string, unknown>>(sql`
    select w.agent_id, w.project_id, w.base_branch, w.head_commit, true as has_branch
    from task_attempts x
    join workspaces w on w.agent_id = x.agent_id and w.status = 'active' and w.head_commit is not null
    where x.id = any(${sql.param(attemptIds)}::uuid[])`);
  return rows;
}

/**
 * Lists the agents' last runs that failed, newest first. The failure of a task's agent is an item of its task, and none once
 * the task is finished.
 */
export async function listFailedRuns(
  tx: Queryable,
  orgId: string,
  which: Which,
  limit: number,
): Promise<RowOf<"failed_run">[]> {
  const key = sql`'failed_run:' || last.id`;
  const { rows } = await tx.execute<RowOf<"failed_run">>(sql`
    select ${key} as key, last.ended_at as at, ${names}, last.id as run_id, last.kind, last.status,
      last.exit_code, last.title, last.command, last.preset, last.detail, last.session_id
    from agents a
    join projects p on p.id = a.project_id
    cross join lateral ${lastRunOf(sql`a.id`)} last
    where a.org_id = ${orgId} and not a.name_released and ${isThere}
      and last.status = any(${sql.param([...failures])}::text[]) and ${isAtRestSince(sql`a.id`)}
      and not exists (select from task_attempts x join tasks t on t.id = x.task_id
        where x.agent_id = a.id and (t.finished_at is null or last.started_at <= t.finished_at))
      and ${isOf(which.agentId)} and ${isWanted(key, which)}
    order by last.ended_at desc, key limit ${limit}`);
  return rows;
}

/** Whose budgets to read besides the organization's. */
interface BudgetOwners {
  projects: boolean;
  agents: boolean;
}

/** The use from which on a budget is listed. */
export const NEARLY = 0.8;

/**
 * Lists the budgets for models that are nearly used up in the current UTC month, the most used first. An item is
 * new in each month, after a change of the limit, and once the limit is reached.
 */
export async function listModelBudgets(
  tx: Queryable,
  orgId: string,
  which: Which,
  owners: BudgetOwners,
  limit: number,
): Promise<RowOf<"budget">[]> {
  const month = sql`date_trunc('month', now() at time zone 'UTC')`;
  const key = sql`concat_ws(':', 'budget', u.kind, o.id, to_char(${month}, 'YYYY-MM'), u.max,
    case when u.used >= u.max then 100 else 80 end)`;
  const { rows } = await tx.execute<RowOf<"budget">>(sql`
    select ${key} as key, ${month} at time zone 'UTC' as at, o.project_id, o.project_name, o.agent_id,
      o.agent_name, u.kind, o.owner, u.used::float8 as used, u.max::float8 as limit,
      (${month} + interval '1 month') at time zone 'UTC' as resets_at
    from (
      select 'organization' as owner, id, null::uuid as project_id, null as project_name,
        null::uuid as agent_id, null as agent_name, max_model_cost_usd, max_model_tokens
      from organizations where id = ${orgId}
      union all
      select 'project', id, id, name, null, null, max_model_cost_usd, max_model_tokens
      from projects where ${owners.projects} and org_id = ${orgId} and deleted_at is null
      union all
      select 'agent', a.id, p.id, p.name, a.id, a.name, a.max_model_cost_usd, a.max_model_tokens
      from agents a join projects p on p.id = a.project_id
      where ${owners.agents} and a.org_id = ${orgId} and not a.name_released and ${isThere}
    ) o
    join model_spending m on m.owner_id = o.id and m.month = ${month}::date
    cross join lateral (values
      ('model_cost', m.cost_nanousd / 1e9, o.max_model_cost_usd::numeric),
      ('model_tokens', m.tokens::numeric, o.max_model_tokens::numeric)) as u (kind, used, max)
    where u.max > 0 and u.used >= u.max * ${NEARLY}
      and (${which.agentId}::uuid is null or o.agent_id = ${which.agentId}::uuid)
      and ${isWanted(key, which)}
    order by u.used / u.max desc, key limit ${limit}`);
  return rows;
}

/** Whether runs of agents wait in the organization's queue, and since when. */
export async function waitingSince(tx: Queryable, orgId: string): Promise<Date | null> {
  const { rows } = await tx.execute<{ since: Date | null }>(sql`
    select min(created_at) as since from runs
    where org_id = ${orgId} and status = 'queued' and kind in ('managed', 'leased')`);
  return rows[0]?.since ?? null;
}
