import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { PersonUsage, TaskUsage } from "#shared/api/organization/usage.js";
import { useListView } from "../../../../lists/list-search.js";
import { paths } from "../../../../paths/paths.js";
import { ListTable } from "../../../../ui/tables/list-table.js";
import type { Sorting } from "../../../../ui/tables/list-view.js";
import { formatHours, formatNumber } from "../../../../ui/text/number.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { costText } from "../../parts/usage/model-figures.js";
import { totalHours, totalOf } from "./usage-tables.js";

type CostRow = PersonUsage | TaskUsage;

const costSortings: readonly Sorting<CostRow>[] = [
  { key: "time", label: "Run time", by: (row) => row.runtime_hours },
  { key: "tokens", label: "Tokens", by: (row) => row.tokens },
  { key: "cost", label: "Cost", by: (row) => row.cost_usd },
];

function textOfCost({
  cost_usd,
  unpriced_requests,
}: Pick<CostRow, "cost_usd" | "unpriced_requests">) {
  if (unpriced_requests === 0) return costText(cost_usd);
  return cost_usd === 0 ? costText(null) : `${costText(cost_usd)} and unpriced calls`;
}

function costColumns(rows: readonly CostRow[]) {
  const sum = (key: "cost_usd" | "unpriced_requests"): number =>
    rows.reduce((total, row) => total + row[key], 0);
  const number = { isNumber: true };
  return [
    {
      ...number,
      name: "Run time",
      sortKey: "time",
      renderCell: (row: CostRow) => formatHours(row.runtime_hours),
      total: totalHours(rows),
    },
    {
      ...number,
      name: "Tokens",
      sortKey: "tokens",
      renderCell: (row: CostRow) => formatNumber(row.tokens),
      total: totalOf(rows, "tokens"),
    },
    {
      ...number,
      name: "Cost",
      sortKey: "cost",
      renderCell: textOfCost,
      total: textOfCost({
        cost_usd: sum("cost_usd"),
        unpriced_requests: sum("unpriced_requests"),
      }),
    },
  ];
}

const personSortings: readonly Sorting<PersonUsage>[] = [
  { key: "person", label: "Person", by: (row) => row.person_name },
  { key: "tasks", label: "Tasks", by: (row) => row.tasks },
  ...costSortings,
];
const textOfPerson = ({ person_name }: PersonUsage): string => person_name;

export function PersonCostTable({ rows }: { rows: readonly PersonUsage[] }): ReactElement {
  const view = useListView(rows, {
    sortings: personSortings,
    textOf: textOfPerson,
    prefix: "people_",
  });
  return (
    <ListTable
      label="Costs by person"
      noun="person"
      placeholder="Person"
      view={view}
      rowKey={(row) => row.person_id ?? ""}
      columns={[
        {
          name: "Person",
          sortKey: "person",
          renderCell: (row) => <PlainText value={row.person_name} />,
          total: "Total",
        },
        {
          name: "Tasks",
          sortKey: "tasks",
          isNumber: true,
          renderCell: (row) => formatNumber(row.tasks),
          total: "",
        },
        ...costColumns(rows),
      ]}
    />
  );
}

const taskSortings: readonly Sorting<TaskUsage>[] = [
  { key: "task", label: "Task", by: (row) => row.task_title },
  { key: "project", label: "Project", by: (row) => row.project_name ?? "" },
  { key: "owner", label: "Owner", by: (row) => row.owner_name ?? "" },
  ...costSortings,
];
const textOfTask = (row: TaskUsage): string =>
  [row.task_title, row.project_name ?? "", row.owner_name ?? ""].join(" ");

export function TaskCostTable({ rows }: { rows: readonly TaskUsage[] }): ReactElement {
  const view = useListView(rows, {
    sortings: taskSortings,
    textOf: textOfTask,
    prefix: "tasks_",
  });
  return (
    <ListTable
      label="Costs by task"
      noun="task"
      placeholder="Task, project or owner"
      view={view}
      rowKey={(row) => row.task_id ?? row.task_title}
      columns={[
        {
          name: "Task",
          sortKey: "task",
          renderCell: (row) =>
            row.task_id === null ? (
              row.task_title
            ) : (
              <Link
                {...paths.task(row.task_id)}
                className="[overflow-wrap:anywhere] text-accent-ink hover:underline"
              >
                #{row.task_number} <PlainText value={row.task_title} />
              </Link>
            ),
          total: "Total",
        },
        {
          name: "Project",
          sortKey: "project",
          renderCell: (row) =>
            row.project_name === null ? "–" : <PlainText value={row.project_name} />,
          total: "",
        },
        {
          name: "Owner",
          sortKey: "owner",
          renderCell: (row) =>
            row.owner_name === null ? "–" : <PlainText value={row.owner_name} />,
          total: "",
        },
        ...costColumns(rows),
      ]}
    />
  );
}
