import type {
  AgentUsage,
  DayUsage,
  ModelRow,
  ProjectUsage,
  Statement,
  StatementItem,
  Usage,
} from "#shared/api/organizations/usage.js";
import { AppError, notFound } from "../../errors.js";
import type { OrgContext } from "../../http/requests/request-context.js";
import { apportion, hoursOf } from "./apportion.js";
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

async function requireAccount(
  tx: Parameters<typeof queries.findAccount>[0],
  orgId: string,
): Promise<queries.Account> {
  const account = await queries.findAccount(tx, orgId);
  if (!account) throw notFound();
  return account;
}

/** A month's usage with rows that add up exactly. */
export interface UsageReport {
  slug: string;
  period: string;
  usage: Usage;
  rows: { agent: AgentUsage[]; project: ProjectUsage[]; day: DayUsage[]; model: ModelRow[] };
}

/**
 * Reports a month's usage against the current limits; earlier limits are not stored. For a past month,
 * "current" values refer to its end.
 * @throws AppError 422 when the month is before the organization's creation or in the future
 */
export async function reportUsage(
  context: OrgContext,
  period: string | undefined,
): Promise<UsageReport> {
  return context.tx(async (tx) => {
    const account = await requireAccount(tx, context.orgId);
    if (period !== undefined) requireValidPeriod(account, period);
    const month = monthOf(period ?? account.current_period);
    const ledger = await queries.readLedger(tx, context.orgId, intervalOf(month));
    const { runtime_hours, by_agent, by_project, by_day } = addUp(ledger);
    const model = await queries.listModels(tx, context.orgId, intervalOf(month));
    return {
      slug: account.slug,
      period: month.period,
      usage: {
        period_start: month.period_start,
        period_end: month.period_end,
        concurrent_agents: { current: ledger.running, limit: account.max_concurrent_agents },
        runtime_hours: { current: runtime_hours, limit: account.max_agent_runtime_hours },
      },
      rows: { agent: by_agent, project: by_project, day: by_day, model },
    };
  });
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
    .toSorted((one, other) => other.ms - one.ms);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
