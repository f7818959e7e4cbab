import { useQuery } from "@tanstack/react-query";
import { type ReactElement, type ReactNode, useState } from "react";
import { urlOf } from "#shared/contract/call.js";
import type { Organization } from "#shared/api/organizations/organizations.js";
import type { DayUsage, Usage } from "#shared/api/organizations/usage.js";
import { api } from "../../api/api-calls.js";
import { BarChart } from "../../ui/charts/bar-chart.js";
import { Card } from "../../ui/layout/card.js";
import { countOf, formatHours, formatNumber } from "../../ui/text/number.js";
import { Select } from "../../ui/fields/select.js";
import { Await, Waiting } from "../await.js";
import { DownloadLink } from "../download-link.js";
import { dayName, monthName, periodOf, periodsSince } from "./periods.js";
import {
  agentUsageQuery,
  dayUsageQuery,
  modelUsageQuery,
  projectUsageQuery,
} from "../../api/queries/organization/usage.js";
import { AgentUsageTable, ModelUsageTable, ProjectUsageTable } from "./usage-tables.js";

/** A month's runtime: by day, by agent and by project. */
export function UsageHistory({ organization }: { organization: Organization }): ReactElement {
  const { id: orgId } = organization;
  const [period, setPeriod] = useState(() => periodOf(new Date()));
  const history = useQuery(dayUsageQuery(orgId, period));
  return (
    <>
      <Card
        title="Usage history"
        actions={
          <>
            <Select
              aria-label="Month"
              value={period}
              onChange={setPeriod}
              options={periodsSince(organization.created_at).map((value) => ({
                value,
                label: monthName(value),
              }))}
            />
            <DownloadLink
              href={csvOf(orgId, period, "day")}
              label={`Download CSV of ${monthName(period)} by day`}
            />
          </>
        }
      >
        <Await query={history} rows={2}>
          {(data) =>
            data.days.every((day) => day.peak_concurrent_agents === 0) ? (
              <NothingRan period={period} />
            ) : (
              <DayChart period={period} {...data} />
            )
          }
        </Await>
      </Card>
      <Breakdown orgId={orgId} period={period} />
    </>
  );
}

function csvOf(orgId: string, period: string, by: "agent" | "project" | "day" | "model"): string {
  return urlOf(api.usage.get, { params: { org_id: orgId }, query: { by, period, format: "csv" } });
}

function NothingRan({ period }: { period: string }): ReactElement {
  return (
    <p className="py-6 text-center text-muted">
      Nothing ran in {monthName(period)}. Runs are started{" "}
      <a href="/api/docs" className="text-accent-ink underline">
        by the API
      </a>
      ; what they use is shown here at once.
    </p>
  );
}

/** Returns the unit of an axis whose maximum is `hours`. */
function unitOf(hours: number): { name: string; perHour: number } {
  if (hours >= 1) return { name: "h", perHour: 1 };
  return hours * 60 >= 1 ? { name: "min", perHour: 60 } : { name: "s", perHour: 3600 };
}

function DayChart({
  period,
  usage,
  days,
}: {
  period: string;
  usage: Usage;
  days: readonly DayUsage[];
}): ReactElement {
  const { current, limit } = usage.runtime_hours;
  const share = limit / days.length;
  const unit = unitOf(Math.max(...days.map((day) => day.runtime_hours)));
  return (
    <BarChart
      title={`Run time a day in ${monthName(period)}`}
      description={`${formatHours(current)} of ${formatHours(limit)} in the month. An even share of the limit is ${formatHours(share)} a day. Days are UTC.`}
      reference={{ value: share * unit.perHour, label: "Even share of the limit" }}
      bars={days.map((day) => ({
        key: day.date,
        tick: String(Number(day.date.slice(8))),
        name: dayName(day.date),
        value: day.runtime_hours * unit.perHour,
        text: `${formatHours(day.runtime_hours)}, at most ${countOf(day.peak_concurrent_agents, "agent")} at once`,
      }))}
      formatValue={(value) => `${formatNumber(value)} ${unit.name}`}
    />
  );
}

function Breakdown({ orgId, period }: { orgId: string; period: string }): ReactNode {
  const projects = useQuery(projectUsageQuery(orgId, period));
  const agents = useQuery(agentUsageQuery(orgId, period));
  const models = useQuery(modelUsageQuery(orgId, period));
  const failed = [projects, agents, models].find(({ error }) => error !== null);
  if (failed) return <Waiting query={failed} />;
  // The card above already shows the empty or loading state.
  if (!projects.data?.length || !agents.data?.length) return null;
  const month = monthName(period);
  return (
    <>
      <Card
        title="By project"
        actions={
          <DownloadLink
            href={csvOf(orgId, period, "project")}
            label={`Download CSV of ${month} by project`}
          />
        }
      >
        <div className="-m-4">
          <ProjectUsageTable rows={projects.data} />
        </div>
      </Card>
      <Card
        title="By agent"
        actions={
          <DownloadLink
            href={csvOf(orgId, period, "agent")}
            label={`Download CSV of ${month} by agent`}
          />
        }
      >
        <div className="-m-4">
          <AgentUsageTable rows={agents.data} />
        </div>
      </Card>
      {models.data !== undefined && models.data.length > 0 && (
        <Card
          title="By model"
          actions={
            <DownloadLink
              href={csvOf(orgId, period, "model")}
              label={`Download CSV of ${month} by model`}
            />
          }
        >
          <div className="-m-4">
            <ModelUsageTable rows={models.data} />
          </div>
        </Card>
      )}
    </>
  );
}
