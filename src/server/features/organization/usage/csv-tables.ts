import type {
  AgentUsage,
  DayUsage,
  ModelRow,
  PersonUsage,
  ProjectUsage,
  Statement,
  StatementItem,
  TaskUsage,
} from "#shared/api/organization/usage.js";
import type { UsageReport, UsageRows } from "./report-usage.js";

type Cell = string | number | null;

/** The content of a CSV file. */
interface Table {
  columns: string[];
  rows: Cell[][];
}

function tableOf<Row>(rows: readonly Row[], columns: Record<string, (row: Row) => Cell>): Table {
  return {
    columns: Object.keys(columns),
    rows: rows.map((row) => Object.values(columns).map((cellOf) => cellOf(row))),
  };
}

/** Always with the four exact decimals. */
const hours = ({ runtime_hours }: { runtime_hours: number }): string => runtime_hours.toFixed(4);

const modelColumns = {
  provider: (row: Partial<ModelRow>) => row.provider ?? null,
  model: (row: Partial<ModelRow>) => row.model ?? null,
  requests: (row: Partial<ModelRow>) => row.requests ?? null,
  input_tokens: (row: Partial<ModelRow>) => row.input_tokens ?? null,
  output_tokens: (row: Partial<ModelRow>) => row.output_tokens ?? null,
  cache_read_tokens: (row: Partial<ModelRow>) => row.cache_read_tokens ?? null,
  cache_write_tokens: (row: Partial<ModelRow>) => row.cache_write_tokens ?? null,
  cost_usd: (row: Partial<ModelRow>) => row.cost_usd ?? null,
};

const costColumns = {
  runs: (row: PersonUsage | TaskUsage) => row.runs,
  runtime_hours: hours,
  requests: (row: PersonUsage | TaskUsage) => row.requests,
  tokens: (row: PersonUsage | TaskUsage) => row.tokens,
  cost_usd: (row: PersonUsage | TaskUsage) => row.cost_usd,
  unpriced_requests: (row: PersonUsage | TaskUsage) => row.unpriced_requests,
};

export function usageTable(report: UsageReport, by: UsageRows | undefined): Table {
  const { usage, rows } = report;
  const period = (): string => report.period;
  switch (by) {
    case undefined:
      return tableOf([usage], {
        period,
        period_start: (row) => row.period_start,
        period_end: (row) => row.period_end,
        concurrent_agents: (row) => row.concurrent_agents.current,
        concurrent_agents_limit: (row) => row.concurrent_agents.limit,
        runtime_hours: (row) => row.runtime_hours.current.toFixed(4),
        runtime_hours_limit: (row) => row.runtime_hours.limit,
      });
    case "agent":
      return tableOf(rows.agent, {
        period,
        project_id: (row) => row.project_id,
        project_name: (row) => row.project_name,
        agent_id: (row) => row.agent_id,
        agent_name: (row) => row.agent_name,
        runs: (row) => row.runs,
        runtime_hours: hours,
      });
    case "project":
      return tableOf(rows.project, {
        period,
        project_id: (row) => row.project_id,
        project_name: (row) => row.project_name,
        agents: (row) => row.agents,
        runs: (row) => row.runs,
        runtime_hours: hours,
      });
    case "day": {
      const costs = new Map(report.costs?.days.map((day) => [day.date, day]));
      return tableOf(rows.day, {
        date: (row) => row.date,
        peak_concurrent_agents: (row) => row.peak_concurrent_agents,
        runtime_hours: hours,
        tokens: (row) => costs.get(row.date)?.tokens ?? 0,
        cost_usd: (row) => costs.get(row.date)?.cost_usd ?? 0,
      });
    }
    case "model":
      return tableOf(rows.model, { period, ...modelColumns });
    case "person":
      return tableOf(rows.person, {
        period,
        person_id: (row) => row.person_id,
        person_name: (row) => row.person_name,
        tasks: (row) => row.tasks,
        ...costColumns,
      });
    case "task":
      return tableOf(rows.task, {
        period,
        project_id: (row) => row.project_id,
        project_name: (row) => row.project_name,
        task_id: (row) => row.task_id,
        task_number: (row) => row.task_number,
        task_title: (row) => row.task_title,
        owner_name: (row) => row.owner_name,
        ...costColumns,
      });
  }
}

export function statementsTable(items: readonly StatementItem[]): Table {
  return tableOf(items, {
    period: (row) => row.period,
    period_start: (row) => row.period_start,
    period_end: (row) => row.period_end,
    status: (row) => row.status,
    agents: (row) => row.agents,
    runs: (row) => row.runs,
    peak_concurrent_agents: (row) => row.peak_concurrent_agents,
    runtime_hours: hours,
  });
}

interface StatementLine extends Partial<ProjectUsage & AgentUsage & DayUsage & ModelRow> {
  section: string;
}

/**
 * Returns a statement as one table. `section` distinguishes the total, projects, agents, days and models;
 * each section's hours add up to the total, except that models have none.
 */
export function statementTable(statement: Statement): Table {
  const { organization, period, status, billing_email, current_limits } = statement;
  const { runtime_hours, agents, runs, peak_concurrent_agents } = statement;
  const lines: StatementLine[] = [
    { section: "total", runtime_hours, agents, runs, peak_concurrent_agents },
    ...statement.by_project.map((row) => ({ section: "project", ...row })),
    ...statement.by_agent.map((row) => ({ section: "agent", ...row })),
    ...statement.by_day.map((row) => ({ section: "day", ...row })),
    ...statement.by_model.map((row) => ({ section: "model", ...row })),
  ];
  return tableOf(lines, {
    section: (row) => row.section,
    organization: () => organization.name,
    billing_email: () => billing_email,
    period: () => period,
    status: () => status,
    date: (row) => row.date ?? null,
    project_id: (row) => row.project_id ?? null,
    project_name: (row) => row.project_name ?? null,
    agent_id: (row) => row.agent_id ?? null,
    agent_name: (row) => row.agent_name ?? null,
    agents: (row) => row.agents ?? null,
    runs: (row) => row.runs ?? null,
    peak_concurrent_agents: (row) => row.peak_concurrent_agents ?? null,
    runtime_hours: (row) => row.runtime_hours?.toFixed(4) ?? null,
    current_max_concurrent_agents: () => current_limits.max_concurrent_agents,
    current_max_agent_runtime_hours: () => current_limits.max_agent_runtime_hours,
    ...modelColumns,
  });
}
