import { useQuery } from "@tanstack/react-query";
import { type ReactElement, type ReactNode, useState } from "react";
import { urlOf } from "#shared/contract/call.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { DayUsage, Usage } from "#shared/api/organization/usage.js";
import type { DenyReason } from "../../../../access/deny-reason.js";
import { api } from "../../../../api/api-calls.js";
import { BarChart } from "../../../../ui/charts/bar-chart.js";
import { Card } from "../../../../ui/layout/card.js";
import { countOf, formatHours, formatNumber } from "../../../../ui/text/number.js";
import { Select } from "../../../../ui/fields/select.js";
import { Waiting } from "../../../../components/await.js";
import { ResourceCard } from "../../../../components/resource-card.js";
import { DownloadLink } from "../../../../components/download-link.js";
import { useFilters } from "../../../../lists/list-search.js";
import { costsSearchOf } from "../../../../paths/address-search.js";
import { dayName, monthName, periodOf, periodsSince } from "../../parts/usage/periods.js";
import {
  agentUsageQuery,
  dayUsageQuery,
  projectUsageQuery,
} from "../../../../api/queries/organization/usage.js";
import { CostsCard } from "./costs-card.js";
import { AgentUsageTable, ProjectUsageTable } from "./usage-tables.js";

/** A month's runtime and costs: by day, person, task, model, agent and project. */
export function UsageHistory({
  organization,
  refusal,
}: {
  organization: Organization;
  refusal: DenyReason;
}): ReactElement {
  const { id: orgId } = organization;
  const [{ month }, change] = useFilters(costsSearchOf);
  const [now] = useState(() => periodOf(new Date()));
  const periods = periodsSince(organization.created_at);
  const period = month !== undefined && periods.includes(month) ? month : now;
  const history = useQuery(dayUsageQuery(orgId, period));
  return (
    <>
      <ResourceCard
        title="Usage history"
        actions={
          <>
            <Select
              aria-label="Month"
              value={period}
              onChange={(next) => change({ month: next === now ? undefined : next })}
              options={periods.map((value) => ({
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
        query={history}
        rows={2}
      >
        {(data) =>
          data.days.every((day) => day.peak_concurrent_agents === 0) ? (
            <NothingRan period={period} />
          ) : (
            <DayChart period={period} {...data} />
          )
        }
      </ResourceCard>
      <Breakdown orgId={orgId} period={period} refusal={refusal} />
    </>
  );
}

function csvOf(orgId: string, period: string, by: "agent" | "project" | "day"): string {
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

function Breakdown({
  orgId,
  period,
  refusal,
}: {
  orgId: string;
  period: string;
  refusal: DenyReason;
}): ReactNode {
  const projects = useQuery(projectUsageQuery(orgId, period));
  const agents = useQuery(agentUsageQuery(orgId, period));
  const failed = [projects, agents].find(({ error }) => error !== null);
  if (failed) return <Waiting query={failed} />;
  // The card above already shows the empty or loading state.
  if (!projects.data?.length || !agents.data?.length) return null;
  const month = monthName(period);
  return (
    <>
      <CostsCard orgId={orgId} period={period} refusal={refusal} />
      <Card
        title="By project"
        actions={
          <DownloadLink
            href={csvOf(orgId, period, "project")}
            label={`Download CSV of ${month} by project`}
          />
        }
        isFlush
      >
        <ProjectUsageTable rows={projects.data} />
      </Card>
      <Card
        title="By agent"
        actions={
          <DownloadLink
            href={csvOf(orgId, period, "agent")}
            label={`Download CSV of ${month} by agent`}
          />
        }
        isFlush
      >
        <AgentUsageTable rows={agents.data} />
      </Card>
    </>
  );
}
