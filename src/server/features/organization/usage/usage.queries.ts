import { sql, type SQL } from "drizzle-orm";
import type {
  ModelBudget,
  ModelRow,
  PersonUsage,
  TaskUsage,
  Usage,
} from "#shared/api/organization/usage.js";
import { isoInstant } from "../../../db/tables/columns.js";
import { prepared, type Queryable } from "../../../db/connection/connect.js";

/** The current UTC calendar month. */
const periodStart = "date_trunc('month', now() at time zone 'UTC') at time zone 'UTC'";
export const periodEnd =
  "(date_trunc('month', now() at time zone 'UTC') + interval '1 month') at time zone 'UTC'";

/** Ended runs that cross a month boundary, as in their partial index. */
const overMonths =
  "date_trunc('month', started_at at time zone 'UTC') <> date_trunc('month', ended_at at time zone 'UTC')";

/**
 * The measured columns of `UsageRow`: an organization's run hours in the current period, summed exactly
 * and rounded once; a lost run counts to its last heartbeat. Quotas depend on them. Runs within the
 * period are summed by an index-only scan; others are clipped to the period.
 */
export const usageColumns = (orgId: string): string => `
  (select count(*)::int from runs where org_id = ${orgId} and status = 'running'
    and kind in ('managed', 'leased')) as running,
  (with period as materialized (select ${periodStart} as first, ${periodEnd} as over, now() as clock)
    select round((
      (select coalesce(sum(runtime_ms), 0) from runs where org_id = ${orgId}
        and started_at >= (select first from period) and started_at < (select over from period)
        and ended_at < (select over from period))
      + (select coalesce(sum(extract(epoch from
          greatest(least(coalesce(ended_at, (select clock from period)), (select over from period)),
            started_at, (select first from period))
          - greatest(started_at, (select first from period)))), 0) * 1000
        from (
          select started_at, ended_at from runs where org_id = ${orgId} and status = 'running'
          union all select started_at, ended_at from runs where org_id = ${orgId} and ${overMonths}
            and ended_at > (select first from period)
        ) r where started_at < (select over from period))
      ) / 3600000, 4)::float8) as hours,
  ${periodStart} as period_start, ${periodEnd} as period_end`;

export interface UsageRow extends Record<string, unknown> {
  running: number;
  hours: number;
  period_start: Date;
  period_end: Date;
  max_concurrent_agents: number;
  max_agent_runtime_hours: number;
}

export function usageOf(row: UsageRow): Usage {
  return {
    period_start: isoInstant(row.period_start),
    period_end: isoInstant(row.period_end),
    concurrent_agents: { current: row.running, limit: row.max_concurrent_agents },
    runtime_hours: { current: row.hours, limit: row.max_agent_runtime_hours },
  };
}

const usageText = `
  select max_concurrent_agents, max_agent_runtime_hours, ${usageColumns("o.id")}
  from organizations o where id = $1`;

/** Reads the current period's usage, on which quotas depend. */
export async function readUsage(tx: Queryable, orgId: string): Promise<Usage | undefined> {
  const [row] = await prepared<UsageRow>(tx, "read an organization's usage", usageText, [orgId]);
  return row && usageOf(row);
}

const budgetText = `
  select o.max_model_cost_usd, o.max_model_tokens::float8, coalesce(m.tokens, 0)::float8 as tokens,
    coalesce(m.cost_nanousd, 0)::float8 / 1e9 as cost_usd
  from (
    select id, max_model_cost_usd, max_model_tokens from organizations where id = $1 and id = $2
    union all
    select id, max_model_cost_usd, max_model_tokens from projects
    where org_id = $1 and id = $2 and deleted_at is null
    union all
    select a.id, a.max_model_cost_usd, a.max_model_tokens
    from agents a join projects p on p.id = a.project_id
    where a.org_id = $1 and a.id = $2 and p.deleted_at is null
  ) o
  left join model_spending m on m.owner_id = o.id
    and m.month = date_trunc('month', now() at time zone 'UTC')::date`;

interface BudgetRow {
  max_model_cost_usd: number | null;
  max_model_tokens: number | null;
  tokens: number;
  cost_usd: number;
}

/** Returns undefined if the owner is neither the organization nor one of its projects or agents. */
export async function readModelBudget(
  tx: Queryable,
  orgId: string,
  ownerId: string,
): Promise<ModelBudget | undefined> {
  const values = [orgId, ownerId];
  const [row] = await prepared<BudgetRow>(tx, "read a model budget", budgetText, values);
  return (
    row && {
      cost_usd: { used: row.cost_usd, limit: row.max_model_cost_usd },
      tokens: { used: row.tokens, limit: row.max_model_tokens },
    }
  );
}

/** The organization in a statement, with its first and current month (`2026-10`). */
export interface Account extends Record<string, unknown> {
  id: string;
  name: string;
  slug: string;
  billing_email: string | null;
  max_concurrent_agents: number;
  max_agent_runtime_hours: number;
  first_period: string;
  current_period: string;
  /** Time of the transaction in RFC 3339. */
  now: string;
}

export async function findAccount(tx: Queryable, orgId: string): Promise<Account | undefined> {
  const { rows } = await tx.execute<Account>(sql`
    select id, name, slug, billing_email, max_concurrent_agents, max_agent_runtime_hours,
      to_char(created_at at time zone 'UTC', 'YYYY-MM') as first_period,
      to_char(now() at time zone 'UTC', 'YYYY-MM') as current_period, wire_time(now()) as now
    from organizations where id = ${orgId}`);
  return rows[0];
}

/** Whole calendar months, from the first instant to the one that is no more in them, in RFC 3339. */
export interface Interval {
  start: string;
  end: string;
}

/**
 * The organization's runs in the interval, cut into calendar days or months (`piece`). `ms` is what
 * counts, exact since the ledger keeps milliseconds. For the peak a run holds its place for at least
 * one of them, and a running one beyond this moment, so that whatever ran was there.
 */
function piecesOf(orgId: string, { start, end }: Interval, unit: "day" | "month"): SQL {
  return sql`
    spans as (
      select id, agent_id, project_id, kind, started_at, ended_at, coalesce(ended_at, clock) as stopped_at,
        greatest(ended_at, started_at + interval '1 ms',
          case when ended_at is null then clock + interval '1 ms' end) as freed_at
      from runs, date_trunc('milliseconds', now()) as clock
      where org_id = ${orgId} and started_at < ${end}::timestamptz
        and (started_at >= ${start}::timestamptz or ended_at is null
          or (ended_at > ${start}::timestamptz and ${sql.raw(overMonths)}))
    ),
    pieces as (
      select id, agent_id, project_id, kind, piece, greatest(started_at, piece) as taken_at,
        least(freed_at, piece + ${sql.raw(`interval '1 ${unit}'`)}) as freed_at,
        greatest(extract(epoch from least(stopped_at, piece + ${sql.raw(`interval '1 ${unit}'`)})
          - greatest(started_at, piece)) * 1000, 0)::bigint as ms
      from spans cross join lateral generate_series(
        date_trunc('${sql.raw(unit)}', greatest(started_at, ${start}::timestamptz)),
        least(freed_at, ${end}::timestamptz) - interval '1 ms',
        ${sql.raw(`interval '1 ${unit}'`)}) as piece
    )`;
}

/**
 * How many agents ran at once at most in each piece, without checks and builds. An agent that
 * stops at an instant makes room for one that starts then.
 */
const peaks = sql`
    steps as (
      select piece, taken_at as at, 1 as step from pieces where kind in ('managed', 'leased')
      union all select piece, freed_at, -1 from pieces where kind in ('managed', 'leased')
    ),
    levels as (
      select piece, sum(step) over (partition by piece order by at, step rows unbounded preceding) as level
      from steps
    ),
    peaks as (select piece, max(level)::int as peak from levels group by piece)`;

export interface AgentRow {
  /** Null for the builds of a project's environment. */
  agent_id: string | null;
  agent_name: string;
  project_id: string;
  project_name: string;
  runs: number;
  ms: number;
}

export interface DayRow {
  date: string;
  ms: number;
  peak: number;
}

/** A period's ledger, by agent and by day. */
export interface Ledger {
  /** Most hours first. */
  agents: AgentRow[];
  /** Every day of the period. */
  days: DayRow[];
  /** Number of agents running at the end of the period, or now. */
  running: number;
}

/** Reads a period in one statement, so that its parts are consistent. */
export async function readLedger(
  tx: Queryable,
  orgId: string,
  interval: Interval,
): Promise<Ledger> {
  const { rows } = await tx.execute<Ledger & Record<string, unknown>>(sql`
    with ${piecesOf(orgId, interval, "day")}, ${peaks},
    agent_rows as (
      select a.id as agent_id, coalesce(a.name, 'Environment builds') as agent_name,
        p.id as project_id, p.name as project_name, u.runs, u.ms
      from (select agent_id, project_id, sum(ms)::bigint as ms,
          count(distinct id) filter (where kind in ('managed', 'leased'))::int as runs
        from pieces group by agent_id, project_id) u
      left join agents a on a.id = u.agent_id
      join projects p on p.id = coalesce(u.project_id, a.project_id)
    ),
    day_rows as (
      select to_char(day, 'YYYY-MM-DD') as date, coalesce(u.ms, 0)::bigint as ms, coalesce(k.peak, 0) as peak
      from generate_series(${interval.start}::timestamptz,
        ${interval.end}::timestamptz - interval '1 day', interval '1 day') as day
      left join (select piece, sum(ms) as ms from pieces group by piece) u on u.piece = day
      left join peaks k on k.piece = day
    )
    select
      (select coalesce(json_agg(a order by ms desc, agent_name, agent_id), '[]') from agent_rows a) as agents,
      (select json_agg(d order by date) from day_rows d) as days,
      (select count(*)::int from runs where org_id = ${orgId} and kind in ('managed', 'leased')
        and started_at < ${interval.end}::timestamptz
        and (ended_at is null or (ended_at >= ${interval.end}::timestamptz and ${sql.raw(overMonths)}))
      ) as running`);
  return rows[0] as Ledger;
}

/** Lists the calls of the interval by model, most expensive first. Days are in UTC. */
export async function listModels(
  tx: Queryable,
  orgId: string,
  { start, end }: Interval,
): Promise<ModelRow[]> {
  const { rows } = await tx.execute<ModelRow & Record<string, unknown>>(sql`
    select provider, model, sum(input_tokens)::float8 as input_tokens,
      sum(output_tokens)::float8 as output_tokens, sum(cache_read_tokens)::float8 as cache_read_tokens,
      sum(cache_write_tokens)::float8 as cache_write_tokens, sum(requests)::float8 as requests,
      case when sum(unpriced_requests) = 0 then sum(cost_nanousd)::float8 / 1e9 end as cost_usd
    from model_usage
    where org_id = ${orgId} and day >= (${start}::timestamptz at time zone 'UTC')::date
      and day < (${end}::timestamptz at time zone 'UTC')::date
    group by provider, model
    order by sum(cost_nanousd) desc, sum(input_tokens + output_tokens) desc, provider, model`);
  return rows;
}

/** A row's run time before it is rounded. */
type Exact<Row extends { runtime_hours: number }> = Omit<Row, "runtime_hours"> & { ms: number };
export type PersonRow = Exact<PersonUsage>;
export type TaskRow = Exact<TaskUsage>;

/**
 * The runs of an interval with their calls to models, the task that each belongs to, and the person who pays for it:
 * the owner of the task, or else who started the run, by whatever credential.
 */
function paidRuns(orgId: string, interval: Interval): SQL {
  return sql`${piecesOf(orgId, interval, "month")},
    spent as (
      select run_id, sum(requests) as requests, sum(unpriced_requests) as unpriced, sum(cost_nanousd) as cost,
        sum(input_tokens + output_tokens + cache_read_tokens + cache_write_tokens) as tokens
      from model_usage
      where org_id = ${orgId} and day >= (${interval.start}::timestamptz at time zone 'UTC')::date
        and day < (${interval.end}::timestamptz at time zone 'UTC')::date
      group by run_id
    ),
    paid as (
      select h.id as run_id, h.ms, h.kind, s.*, t.id as task_id,
        coalesce(t.owner_id::text, case when r.started_by ->> 'type' <> 'agent' then r.started_by ->> 'id' end,
          r.origin #>> '{actor,userId}')::uuid as person_id,
        case when r.started_by ->> 'type' <> 'agent' then r.started_by ->> 'id' end as starter_id,
        r.started_by ->> 'name' as starter_name
      from (select id, kind, sum(ms) as ms from pieces group by id, kind) h
      full join spent s on s.run_id = h.id
      join runs r on r.id = coalesce(h.id, s.run_id)
      left join task_attempts a on a.org_id = ${orgId} and a.agent_id = r.agent_id
      left join tasks t on t.id = a.task_id
    )`;
}

const paidColumns = sql`
  count(*) filter (where kind in ('managed', 'leased'))::int as runs, coalesce(sum(ms), 0)::float8 as ms,
  coalesce(sum(requests), 0)::float8 as requests, coalesce(sum(tokens), 0)::float8 as tokens,
  coalesce(sum(cost), 0)::float8 / 1e9 as cost_usd, coalesce(sum(unpriced), 0)::float8 as unpriced_requests`;

/** Lists what persons used, most expensive first; the runs of no person are the last row. */
export async function listPersons(
  tx: Queryable,
  orgId: string,
  interval: Interval,
): Promise<PersonRow[]> {
  const { rows } = await tx.execute<PersonRow & Record<string, unknown>>(sql`
    with ${paidRuns(orgId, interval)},
    sums as (
      select person_id, count(distinct task_id)::int as tasks, ${paidColumns},
        max(starter_name) filter (where starter_id = person_id::text) as starter_name
      from paid group by person_id
    )
    select s.person_id, case when s.person_id is null then 'No person'
        else coalesce(u.full_name, u.email, s.starter_name, 'Deleted user') end as person_name,
      s.tasks, s.runs, s.ms, s.requests, s.tokens, s.cost_usd, s.unpriced_requests
    from sums s left join users u on u.id = s.person_id
    order by s.person_id is null, s.cost_usd desc, s.ms desc, person_name, s.person_id`);
  return rows;
}

/** Lists what tasks used, most expensive first; the runs without a task are the last row. */
export async function listTasks(
  tx: Queryable,
  orgId: string,
  interval: Interval,
): Promise<TaskRow[]> {
  const { rows } = await tx.execute<TaskRow & Record<string, unknown>>(sql`
    with ${paidRuns(orgId, interval)},
    sums as (select task_id, ${paidColumns} from paid group by task_id)
    select t.id as task_id, t.number as task_number, coalesce(t.title, 'Runs without a task') as task_title,
      p.id as project_id, p.name as project_name, coalesce(u.full_name, u.email) as owner_name,
      s.runs, s.ms, s.requests, s.tokens, s.cost_usd, s.unpriced_requests
    from sums s
    left join tasks t on t.id = s.task_id
    left join projects p on p.id = t.project_id
    left join users u on u.id = t.owner_id
    order by t.id is null, s.cost_usd desc, s.ms desc, t.id`);
  return rows;
}

export interface DayCost extends Record<string, unknown> {
  /** A day in UTC, such as `2026-10-31`. */
  date: string;
  tokens: number;
  cost_usd: number;
  unpriced_requests: number;
}

/** Lists the days of the interval with calls to models, oldest first. */
export async function listDayCosts(
  tx: Queryable,
  orgId: string,
  { start, end }: Interval,
): Promise<DayCost[]> {
  const { rows } = await tx.execute<DayCost>(sql`
    select to_char(day, 'YYYY-MM-DD') as date,
      sum(input_tokens + output_tokens + cache_read_tokens + cache_write_tokens)::float8 as tokens,
      sum(cost_nanousd)::float8 / 1e9 as cost_usd, sum(unpriced_requests)::float8 as unpriced_requests
    from model_usage
    where org_id = ${orgId} and day >= (${start}::timestamptz at time zone 'UTC')::date
      and day < (${end}::timestamptz at time zone 'UTC')::date
    group by day order by day`);
  return rows;
}

export interface MonthRow extends Record<string, unknown> {
  period: string;
  ms: number;
  agents: number;
  runs: number;
  peak: number;
}

/** Lists months of the interval with runs, newest first. */
export async function listMonths(
  tx: Queryable,
  orgId: string,
  interval: Interval,
): Promise<MonthRow[]> {
  const { rows } = await tx.execute<MonthRow>(sql`
    with ${piecesOf(orgId, interval, "month")}, ${peaks}
    select to_char(u.piece, 'YYYY-MM') as period, u.ms, u.agents, u.runs, coalesce(k.peak, 0) as peak
    from (select piece, sum(ms)::float8 as ms, count(distinct agent_id)::int as agents,
      count(*) filter (where kind in ('managed', 'leased'))::int as runs from pieces group by piece) u
    left join peaks k on k.piece = u.piece
    order by u.piece desc`);
  return rows;
}
