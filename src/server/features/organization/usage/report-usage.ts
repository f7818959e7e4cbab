import {
  type AgentUsage,
  type DayUsage,
  maxTaskRows,
  type ModelRow,
  type MonthCosts,
  type PersonUsage,
  type ProjectUsage,
  type Statement,
  type StatementItem,
  type TaskUsage,
  type Usage,
} from "#shared/api/organization/usage.js";
import { requirePermission } from "../../../access/access.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { AppError, notFound } from "../../../errors.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import { apportion, hoursOf } from "./apportion.js";
import { monthCosts } from "./month-costs.js";
import * as queries from "./usage.queries.js";

/** Returns the name and bounds of a UTC calendar month. */
function monthOf(period: string): { period: string; period_start: string; period_end: string } {
  const [year, month] = period.split("-").map(Number) as [number, number];
  const start = (later: number): string =>
    new Date(Date.UTC(year, month - 1 + later)).toISOString();
  return { period, period_start: start(0), period_end: start(1) };
}

function intervalOf({ period_start, period_end }: Pick<Usage, "period_start" | "period_end">) {
  return { start: period_start, end: period_end };
}

async function requireAccount(tx: Queryable, orgId: string): Promise<queries.Account> {
  const account = await queries.findAccount(tx, orgId);
  if (!account) throw notFound();
  return account;
}

/** A month's usage with rows that add up exactly. */
export interface UsageReport {
  slug: string;
  period: string;
  usage: Usage;
  rows: {
    agent: AgentUsage[];
    project: ProjectUsage[];
    day: DayUsage[];
    model: ModelRow[];
    /** Empty unless the report is by person. */
    person: PersonUsage[];
    /** Empty unless the report is by task. */
    task: TaskUsage[];
  };
  /** Only in a report by day. */
  costs: MonthCosts | undefined;
}

export type UsageRows = keyof UsageReport["rows"];

/**
 * Reports a month's usage against the current limits; earlier limits are not stored. For a past month,
 * "current" values refer to its end.
 * @throws AppError 403 without the permission to see members or tasks, for a report by them; 422 when the month is
 * before the organization's creation or in the future
 */
export async function reportUsage(
  context: OrgContext,
  period: string | undefined,
  by: UsageRows | undefined,
): Promise<UsageReport> {
  const { orgId } = context;
  if (by === "person") requirePermission(context.access, "org:members:read");
  if (by === "task") requirePermission(context.access, "project:task:read");
  return context.tx(async (tx) => {
    const account = await requireAccount(tx, orgId);
    if (period !== undefined) requireValidPeriod(account, period);
    const month = monthOf(period ?? account.current_period);
    const interval = intervalOf(month);
    const ledger = await queries.readLedger(tx, orgId, interval);
    const { runtime_hours, by_agent, by_project, by_day } = addUp(ledger);
    return {
      slug: account.slug,
      period: month.period,
      usage: {
        period_start: month.period_start,
        period_end: month.period_end,
        concurrent_agents: { current: ledger.running, limit: account.max_concurrent_agents },
        runtime_hours: { current: runtime_hours, limit: account.max_agent_runtime_hours },
      },
      rows: {
        agent: by_agent,
        project: by_project,
        day: by_day,
        model: await queries.listModels(tx, orgId, interval),
        person: by === "person" ? withHours(await queries.listPersons(tx, orgId, interval)) : [],
        task: by === "task" ? withHours(await queries.listTasks(tx, orgId, interval)) : [],
      },
      costs: by === "day" ? await readCosts(tx, account, interval) : undefined,
    };
  });
}

async function readCosts(
  tx: Queryable,
  account: queries.Account,
  interval: queries.Interval,
): Promise<MonthCosts> {
  const start = Date.parse(interval.start);
  const previous = new Date(start - 1).toISOString().slice(0, 7);
  const days = await queries.listDayCosts(tx, account.id, {
    start: monthOf(previous).period_start,
    end: interval.end,
  });
  return monthCosts({
    start,
    end: Date.parse(interval.end),
    now: Date.parse(account.now),
    days,
    hasPrevious: previous >= account.first_period,
  });
}

function withHours<Row extends { ms: number }>(
  rows: readonly Row[],
): (Omit<Row, "ms"> & { runtime_hours: number })[] {
  const hours = apportion(rows.map(({ ms }) => ms));
  return rows.map(({ ms: _ms, ...row }, index) => ({
    ...row,
    runtime_hours: hours[index] as number,
  }));
}

/** Keeps the most expensive tasks, and adds up the others in one row before the runs without a task. */
export function keepMostExpensive(tasks: readonly TaskUsage[]): TaskUsage[] {
  const named = tasks.filter(({ task_id }) => task_id !== null);
  const others = named.slice(maxTaskRows);
  if (others.length === 0) return [...tasks];
  const total = (key: "runs" | "requests" | "tokens" | "cost_usd" | "unpriced_requests"): number =>
    sum(others.map((row) => row[key]));
  return [
    ...named.slice(0, maxTaskRows),
    {
      task_id: null,
      task_number: null,
      task_title: `${others.length} other tasks`,
      project_id: null,
      project_name: null,
      owner_name: null,
      runs: total("runs"),
      // Sums of decimals; the stored ones are whole.
      runtime_hours: Math.round(sum(others.map((row) => row.runtime_hours)) * 1e4) / 1e4,
      requests: total("requests"),
      tokens: total("tokens"),
      cost_usd: Math.round(total("cost_usd") * 1e9) / 1e9,
      unpriced_requests: total("unpriced_requests"),
    },
    ...tasks.slice(named.length),
  ];
}

function isOutside(account: queries.Account, period: string): boolean {
  return period < account.first_period || period > account.current_period;
}

function requireValidPeriod(account: queries.Account, period: string): void {
  if (!isOutside(account, period)) return;
  const msg = `must be a month from ${account.first_period} to ${account.current_period}`;
  throw new AppError("validation_failed", `period ${msg}.`, {
    errors: [{ loc: ["query", "period"], msg, type: "out_of_range" }],
  });
}

/** Lists the months with runs and the current month, newest first. */
export async function listStatements(context: OrgContext): Promise<{
  slug: string;
  items: StatementItem[];
}> {
  return context.tx(async (tx) => {
    const account = await requireAccount(tx, context.orgId);
    const { first_period, current_period } = account;
    const months = await queries.listMonths(tx, context.orgId, {
      start: monthOf(first_period).period_start,
      end: monthOf(current_period).period_end,
    });
    if (months[0]?.period !== current_period) {
      months.unshift({ period: current_period, ms: 0, agents: 0, runs: 0, peak: 0 });
    }
    return {
      slug: account.slug,
      items: months.map(({ period, ms, agents, runs, peak }) => ({
        ...monthOf(period),
        status: period === current_period ? ("open" as const) : ("closed" as const),
        runtime_hours: hoursOf(ms),
        agents,
        runs,
        peak_concurrent_agents: peak,
      })),
    };
  });
}

/** @throws AppError 404 when the month is before the organization's creation or in the future */
export async function readStatement(context: OrgContext, period: string): Promise<Statement> {
  return context.tx(async (tx) => {
    const account = await requireAccount(tx, context.orgId);
    if (isOutside(account, period)) throw notFound();
    const month = monthOf(period);
    const ledger = await queries.readLedger(tx, context.orgId, intervalOf(month));
    return {
      organization: { id: account.id, name: account.name, slug: account.slug },
      billing_email: account.billing_email,
      ...month,
      status: period === account.current_period ? "open" : "closed",
      current_limits: {
        max_concurrent_agents: account.max_concurrent_agents,
        max_agent_runtime_hours: account.max_agent_runtime_hours,
      },
      ...addUp(ledger),
      by_model: await queries.listModels(tx, context.orgId, intervalOf(month)),
    };
  });
}

type Sums = Pick<
  Statement,
  | "runtime_hours"
  | "agents"
  | "runs"
  | "peak_concurrent_agents"
  | "by_project"
  | "by_agent"
  | "by_day"
>;

/** Rounds the figures so that agents add up to their project, and projects and days to the total. */
function addUp({ agents, days }: queries.Ledger): Sums {
  const whole = hoursOf(sum(agents.map(({ ms }) => ms)));
  const groups = byProjectOf(agents);
  const projectHours = apportion(groups.map(({ ms }) => ms));
  const hoursOfRow = new Map<queries.AgentRow, number>();
  const byProject = groups.map(({ members }, index): ProjectUsage => {
    const hours = projectHours[index] as number;
    const shares = apportion(
      members.map(({ ms }) => ms),
      hours,
    );
    members.forEach((row, at) => hoursOfRow.set(row, shares[at] as number));
    const { project_id, project_name } = members[0] as queries.AgentRow;
    const runs = sum(members.map((member) => member.runs));
    const count = members.filter(({ agent_id }) => agent_id !== null).length;
    return { project_id, project_name, agents: count, runs, runtime_hours: hours };
  });
  const dayHours = apportion(days.map(({ ms }) => ms));
  return {
    runtime_hours: whole,
    agents: agents.filter(({ agent_id }) => agent_id !== null).length,
    runs: sum(agents.map(({ runs }) => runs)),
    peak_concurrent_agents: Math.max(0, ...days.map(({ peak }) => peak)),
    by_project: byProject,
    by_agent: agents.map((row) => {
      const { ms: _ms, ...agent } = row;
      return { ...agent, runtime_hours: hoursOfRow.get(row) as number };
    }),
    by_day: days.map(({ date, peak }, index) => ({
      date,
      runtime_hours: dayHours[index] as number,
      peak_concurrent_agents: peak,
    })),
  };
}

/** Groups agents by project, most hours first. */
function byProjectOf(
  agents: readonly queries.AgentRow[],
): { members: queries.AgentRow[]; ms: number }[] {
  const members = new Map<string, queries.AgentRow[]>();
  for (const agent of agents) {
    const group = members.get(agent.project_id) ?? [];
    members.set(agent.project_id, group);
    group.push(agent);
  }
  return [...members.values()]
    .map((group) => ({ members: group, ms: sum(group.map(({ ms }) => ms)) }))
    .toSorted((a, b) => b.ms - a.ms);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
