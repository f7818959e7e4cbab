import { sql } from "drizzle-orm";
import type { Results } from "#shared/api/organizations/overview.js";
import type { Queryable } from "../../db/connection/connect.js";
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

/** Lists the newest merges into branches since an instant; each row has their total number. */
export async function listMergesSince(
  tx: Queryable,
  orgId: string,
  since: string,
  agentId: string | null,
  limit: number,
): Promise<MergeRow[]> {
  const { rows } = await tx.execute<MergeRow>(sql`
    select m.id, m.kind, m.project_id, p.name as project_name, m.agent_id, a.name as agent_name,
      m.target_branch, m.source_commit, m.target_commit, m.created_at as at,
      coalesce(m.origin -> 'actor' -> 'agent' ->> 'name', u.full_name, u.email, 'Omoi') as merged_by,
      count(*) over ()::int as total
    from projects p
    join merges m on m.project_id = p.id and m.state = 'done' and m.created_at >= ${since}::timestamptz
    join agents a on a.id = m.agent_id
    left join users u on u.id = (m.origin -> 'actor' ->> 'userId')::uuid
    where p.org_id = ${orgId} and p.deleted_at is null and m.kind <> 'sync'
      and (${agentId}::uuid is null or m.agent_id = ${agentId}::uuid)
    order by m.created_at desc, m.id desc limit ${limit}`);
  return rows;
}
