import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { urlOf } from "#shared/contract/call.js";
import type { Statement } from "#shared/api/organization/usage.js";
import { useLoaded } from "../../../../api/use-loaded.js";
import { api } from "../../../../api/api-calls.js";
import { paths } from "../../../../paths/paths.js";
import { Button } from "../../../../ui/actions/button.js";
import { Card, Details } from "../../../../ui/layout/card.js";
import { countOf, formatHours, formatNumber } from "../../../../ui/text/number.js";
import { Page } from "../../../../ui/layout/page.js";
import { PlainText, visible } from "../../../../ui/text/plain-text.js";
import { EmptyState } from "../../../../ui/feedback/states.js";
import { CrumbLink } from "../../../../components/crumb-link.js";
import { organizationQuery } from "../../../../api/queries/organization/organizations.js";
import { DownloadLink } from "../../../../components/download-link.js";
import { monthName } from "../../parts/usage/periods.js";
import { statementQuery } from "../../../../api/queries/organization/usage.js";
import { StatementStatus } from "./statement-status.js";
import {
  AgentUsageTable,
  DayUsageTable,
  ModelUsageTable,
  ProjectUsageTable,
} from "./usage-tables.js";

const route = getRouteApi("/app/organizations/$orgId/statements/$period");

export function StatementPage(): ReactElement {
  const { orgId, period } = route.useParams();
  const { data: statement } = useLoaded(statementQuery(orgId, period));
  const { data: organization } = useQuery(organizationQuery(orgId));
  const name = organization?.name ?? "Organization";
  const crumbs = [
    <CrumbLink key="organizations" {...paths.organizations()}>
      Organizations
    </CrumbLink>,
    <CrumbLink key="organization" {...paths.organization(orgId)}>
      <PlainText value={name} />
    </CrumbLink>,
    <CrumbLink key="billing" {...paths.organizationSettings(orgId, { tab: "billing" })}>
      Billing
    </CrumbLink>,
  ];
  const month = monthName(statement.period);
  return (
    <Page
      title={`Statement for ${month}`}
      documentTitle={`${visible(statement.organization.name)}, statement for ${month}`}
      crumbs={crumbs}
      actions={
        <>
          <Button icon="print" onClick={() => window.print()}>
            Print
          </Button>
          <DownloadLink
            size="md"
            label={`Download CSV of ${month}`}
            href={urlOf(api.usage.statement, {
              params: { org_id: orgId, period },
              query: { format: "csv" },
            })}
          />
        </>
      }
    >
      <Summary statement={statement} />
      {statement.runs === 0 ? (
        <EmptyState title={`Nothing ran in ${month}`}>
          {statement.status === "open"
            ? "Usage appears here as soon as a run starts."
            : "No usage in this month."}
        </EmptyState>
      ) : (
        <Tables statement={statement} />
      )}
    </Page>
  );
}

function Summary({ statement }: { statement: Statement }): ReactElement {
  const { organization, current_limits: limits } = statement;
  return (
    <Card title="Summary">
      <div className="grid gap-x-8 gap-y-2 wide:grid-cols-2">
        <Details
          rows={{
            Organization: <PlainText value={organization.name} />,
            Slug: <code className="font-mono text-[13px]">{organization.slug}</code>,
            "Billing email":
              statement.billing_email === null ? (
                "None"
              ) : (
                <PlainText value={statement.billing_email} />
              ),
            Period: <Days statement={statement} />,
            Status: <StatementStatus status={statement.status} />,
          }}
        />
        <Details
          rows={{
            "Run time": formatHours(statement.runtime_hours),
            Runs: formatNumber(statement.runs),
            Agents: formatNumber(statement.agents),
            Peak: `${countOf(statement.peak_concurrent_agents, "agent")} at once`,
            "Limits today": `${formatNumber(limits.max_agent_runtime_hours)} hours a month, ${countOf(limits.max_concurrent_agents, "agent")} at once`,
          }}
        />
      </div>
      {statement.status === "closed" && (
        <p className="mt-3 text-[13px] text-muted">
          Limits are those of today; what they were in {monthName(statement.period)} is not kept.
        </p>
      )}
    </Card>
  );
}

/** "2026-10-01 to 2026-10-31 (UTC)" */
function Days({ statement: { by_day: days } }: { statement: Statement }): ReactElement {
  return (
    <>
      <span className="whitespace-nowrap">{days[0]?.date}</span> to{" "}
      <span className="whitespace-nowrap">{days.at(-1)?.date}</span> (UTC)
    </>
  );
}

function Tables({ statement }: { statement: Statement }): ReactElement {
  const days = statement.by_day.filter((day) => day.peak_concurrent_agents > 0);
  return (
    <>
      <Card title="By project" isFlush>
        <ProjectUsageTable rows={statement.by_project} />
      </Card>
      <Card title="By agent" isFlush>
        <AgentUsageTable rows={statement.by_agent} />
      </Card>
      {statement.by_model.length > 0 && (
        <Card title="By model" isFlush>
          <ModelUsageTable rows={statement.by_model} />
        </Card>
      )}
      <Card title="By day">
        <div className="-m-4">
          <DayUsageTable rows={days} />
        </div>
        {days.length < statement.by_day.length && (
          <p className="-mx-4 mt-4 -mb-4 border-t border-line px-4 py-3 text-[13px] text-muted">
            Days without a run are left out.
          </p>
        )}
      </Card>
    </>
  );
}
