import type { ReactElement } from "react";
import type {
  AgentUsage,
  DayUsage,
  ModelRow,
  ProjectUsage,
} from "#shared/api/organization/usage.js";
import { formatHours, formatNumber } from "../../../../ui/text/number.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { Table } from "../../../../ui/tables/table.js";
import { costText } from "../../parts/usage/model-figures.js";
import { dayName } from "../../parts/usage/periods.js";

/** Sums the hours of all rows without rounding errors: hours are multiples of 0.0001. */
export function totalHours(rows: readonly { runtime_hours: number }[]): string {
  const units = rows.reduce((sum, row) => sum + Math.round(row.runtime_hours * 10_000), 0);
  return formatHours(units / 10_000);
}

export function totalOf<Key extends string>(
  rows: readonly Record<Key, number>[],
  key: Key,
): string {
  return formatNumber(rows.reduce((sum, row) => sum + row[key], 0));
}

function runsColumn<Row extends { runs: number }>(rows: readonly Row[]) {
  return {
    name: "Runs",
    isNumber: true,
    renderCell: (row: Row) => formatNumber(row.runs),
    total: totalOf(rows, "runs"),
  };
}

function hoursColumn<Row extends { runtime_hours: number }>(rows: readonly Row[]) {
  return {
    name: "Run time",
    isNumber: true,
    renderCell: (row: Row) => formatHours(row.runtime_hours),
    total: totalHours(rows),
  };
}

export function ProjectUsageTable({ rows }: { rows: readonly ProjectUsage[] }): ReactElement {
  return (
    <Table
      label="Usage by project"
      rows={rows}
      rowKey={(row) => row.project_id}
      columns={[
        {
          name: "Project",
          renderCell: (row) => <PlainText value={row.project_name} />,
          total: "Total",
        },
        {
          name: "Agents",
          isNumber: true,
          renderCell: (row) => formatNumber(row.agents),
          total: totalOf(rows, "agents"),
        },
        runsColumn(rows),
        hoursColumn(rows),
      ]}
    />
  );
}

export function AgentUsageTable({ rows }: { rows: readonly AgentUsage[] }): ReactElement {
  return (
    <Table
      label="Usage by agent"
      rows={rows}
      rowKey={(row) => row.agent_id ?? row.project_id}
      columns={[
        {
          name: "Agent",
          renderCell: (row) => <PlainText value={row.agent_name} />,
          total: "Total",
        },
        {
          name: "Project",
          renderCell: (row) => <PlainText value={row.project_name} />,
          total: "",
        },
        runsColumn(rows),
        hoursColumn(rows),
      ]}
    />
  );
}

export function ModelUsageTable({ rows }: { rows: readonly ModelRow[] }): ReactElement {
  const tokens = (name: string, key: keyof ModelRow & `${string}_tokens`) => ({
    name,
    isNumber: true,
    renderCell: (row: ModelRow) => formatNumber(row[key]),
    total: totalOf(rows, key),
  });
  const priced = rows.flatMap(({ cost_usd }) => cost_usd ?? []);
  const cost = priced.reduce((sum, dollars) => sum + dollars, 0);
  return (
    <Table
      label="Usage by model"
      rows={rows}
      rowKey={(row) => `${row.provider} ${row.model}`}
      columns={[
        {
          name: "Model",
          renderCell: (row) => (
            <span className="[overflow-wrap:anywhere]">
              <PlainText value={row.model} />{" "}
              <span className="text-muted">
                (<PlainText value={row.provider} />)
              </span>
            </span>
          ),
          total: "Total",
        },
        {
          name: "Calls",
          isNumber: true,
          renderCell: (row) => formatNumber(row.requests),
          total: totalOf(rows, "requests"),
        },
        tokens("Input", "input_tokens"),
        tokens("Cache read", "cache_read_tokens"),
        tokens("Cache write", "cache_write_tokens"),
        tokens("Output", "output_tokens"),
        {
          name: "Cost",
          isNumber: true,
          renderCell: (row) => costText(row.cost_usd),
          total:
            priced.length === rows.length ? costText(cost) : `${costText(cost)} and unpriced calls`,
        },
      ]}
    />
  );
}

export function DayUsageTable({ rows }: { rows: readonly DayUsage[] }): ReactElement {
  return (
    <Table
      label="Usage by day"
      rows={rows}
      rowKey={(row) => row.date}
      columns={[
        { name: "Day", renderCell: (row) => dayName(row.date), total: "Total" },
        {
          name: "Peak agents",
          isNumber: true,
          renderCell: (row) => formatNumber(row.peak_concurrent_agents),
          total: formatNumber(Math.max(0, ...rows.map((row) => row.peak_concurrent_agents))),
        },
        hoursColumn(rows),
      ]}
    />
  );
}
