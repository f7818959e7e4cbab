import { useQuery, type UseQueryResult } from "@tanstack/react-query";
import type { ReactElement, ReactNode } from "react";
import type { MonthCosts } from "#shared/api/organization/usage.js";
import { urlOf } from "#shared/contract/call.js";
import { PermissionHint } from "../../../../access/permission-hint.js";
import { checkingReason, type DenyReason } from "../../../../access/deny-reason.js";
import { api } from "../../../../api/api-calls.js";
import {
  dayUsageQuery,
  modelUsageQuery,
  personUsageQuery,
  taskUsageQuery,
} from "../../../../api/queries/organization/usage.js";
import { Await } from "../../../../components/await.js";
import { DownloadLink } from "../../../../components/download-link.js";
import { useFilters } from "../../../../lists/list-search.js";
import { costsSearchOf } from "../../../../paths/address-search.js";
import { BarChart } from "../../../../ui/charts/bar-chart.js";
import { Card } from "../../../../ui/layout/card.js";
import { Tabs } from "../../../../ui/layout/tabs.js";
import { Skeleton } from "../../../../ui/feedback/states.js";
import { countOf, formatNumber } from "../../../../ui/text/number.js";
import { costText } from "../../parts/usage/model-figures.js";
import { dayName, monthName, previousPeriod } from "../../parts/usage/periods.js";
import { PersonCostTable, TaskCostTable } from "./cost-tables.js";
import { ModelUsageTable } from "./usage-tables.js";

const permissions = { person: "org:members:read", task: "project:task:read" } as const;

interface CostsProps {
  orgId: string;
  period: string;
  refusal: DenyReason;
}

/** A month's costs by day, person, task and model, with their trend and a forecast. */
export function CostsCard({ orgId, period, refusal }: CostsProps): ReactElement {
  const [{ costs: tab = "day" }, change] = useFilters(costsSearchOf);
  const days = useQuery(dayUsageQuery(orgId, period));
  const month = monthName(period);
  const isDenied = (tab === "person" || tab === "task") && refusal(permissions[tab]) !== undefined;
  return (
    <Card
      title="Costs"
      actions={
        !isDenied && (
          <DownloadLink
            href={urlOf(api.usage.get, {
              params: { org_id: orgId },
              query: { by: tab, period, format: "csv" },
            })}
            label={`Download CSV of ${tab === "day" ? `costs in ${month}` : month} by ${tab}`}
          />
        )
      }
    >
      <Await query={days} rows={1}>
        {({ costs }) => costs && <p className="mb-3">{summaryOf(period, costs)}</p>}
      </Await>
      <Tabs
        label="Costs by"
        value={tab}
        onChange={(next) => change({ costs: next === "day" ? undefined : next })}
        tabs={[
          {
            value: "day",
            label: "Day",
            content: (
              <Await query={days} rows={2}>
                {({ costs }) => costs && <DayChart period={period} costs={costs} />}
              </Await>
            ),
          },
          {
            value: "person",
            label: "Person",
            content: <Persons orgId={orgId} period={period} refusal={refusal} />,
          },
          {
            value: "task",
            label: "Task",
            content: <Tasks orgId={orgId} period={period} refusal={refusal} />,
          },
          { value: "model", label: "Model", content: <Models orgId={orgId} period={period} /> },
        ]}
      />
    </Card>
  );
}

/** "$12.40 so far, 18% more than by this time in September 2026. Forecast for October 2026: …" */
function summaryOf(period: string, costs: MonthCosts): string {
  const { cost_usd, previous_cost_usd, forecast_usd, unpriced_requests } = costs;
  const isOpen = period === new Date().toISOString().slice(0, 7);
  const before = monthName(previousPeriod(period));
  const trend =
    previous_cost_usd === null
      ? ""
      : `, ${trendText(cost_usd, previous_cost_usd)} ${isOpen ? "by this time in " : "in "}${before}`;
  const sentences = [`${costText(cost_usd)}${isOpen ? " so far" : ""}${trend}.`];
  if (forecast_usd !== null) {
    sentences.push(
      `Estimate for the end of the month: ${costText(forecast_usd)}, at the mean of the last seven days.`,
    );
  }
  if (unpriced_requests > 0) {
    const calls = countOf(unpriced_requests, "call");
    sentences.push(`${calls} without a price ${unpriced_requests === 1 ? "is" : "are"} left out.`);
  }
  return sentences.join(" ");
}

/** "18% more than", "3.2 times as much as". */
function trendText(now: number, before: number): string {
  if (before === 0) return now === 0 ? "as" : "compared with $0";
  const ratio = now / before;
  if (ratio >= 3) return `${formatNumber(ratio)} times as much as`;
  const percent = Math.round(Math.abs(ratio - 1) * 100);
  if (percent === 0) return "as much as";
  return `${percent}% ${ratio > 1 ? "more" : "less"} than`;
}

function DayChart({ period, costs }: { period: string; costs: MonthCosts }): ReactElement {
  const month = monthName(period);
  const highest = Math.max(...costs.days.map((day) => day.cost_usd));
  if (highest === 0) {
    return <p className="py-4 text-center text-muted">No call to a model had a cost in {month}.</p>;
  }
  // The chart's axis is whole: small costs are drawn in a smaller unit.
  const perDollar = highest >= 2 ? 1 : 10 ** Math.ceil(Math.log10(2 / highest));
  return (
    <BarChart
      title={`Costs a day in ${month}`}
      description="Calls to models, at the prices of this server. Days are UTC."
      bars={costs.days.map((day) => ({
        key: day.date,
        tick: String(Number(day.date.slice(8))),
        name: dayName(day.date),
        value: day.cost_usd * perDollar,
        text: `${costText(day.cost_usd)}, ${countOf(day.tokens, "token")}`,
      }))}
      formatValue={(value) => costText(value / perDollar)}
    />
  );
}

function Persons({ orgId, period, refusal }: CostsProps): ReactElement {
  const reason = refusal(permissions.person);
  const query = useQuery({
    ...personUsageQuery(orgId, period),
    enabled: reason === undefined,
  });
  return (
    <Rows reason={reason} query={query}>
      {(rows) => <PersonCostTable rows={rows} />}
    </Rows>
  );
}

function Tasks({ orgId, period, refusal }: CostsProps): ReactElement {
  const reason = refusal(permissions.task);
  const query = useQuery({ ...taskUsageQuery(orgId, period), enabled: reason === undefined });
  return (
    <Rows reason={reason} query={query}>
      {(rows) => <TaskCostTable rows={rows} />}
    </Rows>
  );
}

function Models({ orgId, period }: Omit<CostsProps, "refusal">): ReactElement {
  const query = useQuery(modelUsageQuery(orgId, period));
  return (
    <Rows reason={undefined} query={query}>
      {(rows) => <ModelUsageTable rows={rows} />}
    </Rows>
  );
}

/** A table that fills the card. */
function Rows<Row>({
  reason,
  query,
  children,
}: {
  reason: string | undefined;
  query: UseQueryResult<Row[]>;
  children: (rows: Row[]) => ReactNode;
}): ReactElement {
  if (reason === checkingReason) return <Skeleton />;
  if (reason !== undefined) return <PermissionHint reason={reason} />;
  return (
    <Await query={query} rows={2}>
      {(rows) =>
        rows.length === 0 ? (
          <p className="py-4 text-center text-muted">No model was called.</p>
        ) : (
          <div className="-mx-4 -mb-4">{children(rows)}</div>
        )
      }
    </Await>
  );
}
