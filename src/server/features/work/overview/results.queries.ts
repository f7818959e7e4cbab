import { sql } from "drizzle-orm";
import type { Results } from "#shared/api/work/overview.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { failures } from "./last-run.js";

/** Counts the runs that ended since an instant, and sums up the cost; only those of one agent, if given. */
export async function readFigures(
  tx: Queryable,
  orgId: string,
  since: string,
  agentId: string | null,
): Promise<Pick<Results, "cost_usd" | "runs">> {
  const { rows } = await tx.execute<{ succeeded: number; failed: number; cost_usd: number }>(sql`
    select ended.succeeded, ended.failed, spent.cost_usd from (
      select count(*) filter (where status = 'succeeded')::int as succeeded,
        count(*) filter (where status = any(${sql.param([...failures])}::text[]))::int as failed
      from runs where org_id = ${orgId} and ended_at >= ${since}::timestamptz
        and kind in ('managed', 'leased')
        and (${agentId}::uuid is null or agent_id = ${agentId}::uuid)
    ) ended, (
      -- Usage is stored by day in UTC, in which the first day is only partly counted.
      select coalesce(sum(u.cost_nanousd), 0)::float8 / 1e9 as cost_usd
      from model_usage u join runs r on r.id = u.run_id
      where u.org_id = ${orgId} and u.day >= (${since}::timestamptz at time zone 'UTC')::date
        and (r.started_at >= ${since}::timestamptz
          or u.day > (${since}::timestamptz at time zone 'UTC')::date)
        and (${agentId}::uuid is null or r.agent_id = ${agentId}::uuid)
    ) spent`);
  const { cost_usd = 0, succeeded = 0, failed = 0 } = rows[0] ?? {};
  return { cost_usd, runs: { succeeded, failed } };
}

/** A merge with the commits that it joined. */
export interface MergeRow
  extends
    Record<string, unknown>,
    Omit<Results["merges"][number], "commits" | "additions" | "deletions" | "at"> {
  source_commit: string;
  target_commit: string;
  at: Date;
  total: number;
}

/**
 * Lists the newest merges into branches since an instant; each row has their total number.
 * @param seesTasks whether to name the tasks of the agents
 */
export async function listMergesSince(
  tx: Queryable,
  orgId: string,
  since: string,
  { agentId, seesTasks }: { agentId: string | null; seesTasks: boolean },
  limit: number,
): Promise<MergeRow[]> {
  const { rows } = await tx.execute<MergeRow>(sql`
    select m.id, m.kind, m.project_id, p.name as project_name, m.agent_id, a.name as agent_name,
      t.id as task_id, t.number as task_number, t.title as task_title, t.owner_id as task_owner_id,
      coalesce(spent.cost, 0)::float8 as cost_usd, m.target_branch, m.source_commit, m.target_commit, m.created_at as at,
      coalesce(m.origin -> 'actor' -> 'agent' ->> 'name', u.full_name, u.email, 'Omoi') as merged_by,
      count(*) over ()::int as total
    from projects p
    join merges m on m.project_id = p.id and m.state = 'done' and m.created_at >= ${since}::timestamptz
    join agents a on a.id = m.agent_id
    left join task_attempts x on x.agent_id = m.agent_id and ${seesTasks}
    left join tasks t on t.id = x.task_id
    left join lateral (
      select sum(s.cost_nanousd) / 1e9 as cost from model_spending s where s.owner_id = m.agent_id) spent on true
    left join users u on u.id = (m.origin -> 'actor' ->> 'userId')::uuid
    where p.org_id = ${orgId} and p.deleted_at is null and m.kind <> 'sync'
      and (${agentId}::uuid is null or m.agent_id = ${agentId}::uuid)
    order by m.created_at desc, m.id desc limit ${limit}`);
  return rows;
}

/** Lists the newest tasks that were finished since an instant without a merge since then. */
export async function listFinishedTasks(
  tx: Queryable,
  orgId: string,
  since: string,
  agentId: string | null,
  limit: number,
): Promise<(Omit<Results["finished_tasks"][number], "at"> & { at: Date })[]> {
  const { rows } = await tx.execute<
    Omit<Results["finished_tasks"][number], "at"> & { at: Date } & Record<string, unknown>
  >(sql`
    select t.id, t.number, t.title, t.resolution as status, t.owner_id, t.project_id, p.name as project_name,
      coalesce(spent.cost, 0)::float8 as cost_usd, t.finished_at as at
    from tasks t
    join projects p on p.id = t.project_id and p.deleted_at is null
    left join lateral (
      select sum(s.cost_nanousd) / 1e9 as cost from task_attempts x
      join model_spending s on s.owner_id = x.agent_id where x.task_id = t.id) spent on true
    where t.org_id = ${orgId} and t.finished_at >= ${since}::timestamptz and not t.is_undone
      and not exists (select from task_attempts x join merges m on m.agent_id = x.agent_id
        where x.task_id = t.id and m.state = 'done' and m.kind <> 'sync'
          and m.created_at >= ${since}::timestamptz)
      and (${agentId}::uuid is null or exists (select from task_attempts x
        where x.task_id = t.id and x.agent_id = ${agentId}::uuid))
    order by t.finished_at desc, t.id desc limit ${limit}`);
  return rows;
}
