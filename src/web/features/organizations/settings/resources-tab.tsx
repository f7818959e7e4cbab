import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { Organization } from "#shared/api/organizations/organizations.js";
import { Card } from "../../../ui/layout/card.js";
import { TextField } from "../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../ui/fields/form.js";
import { Meter } from "../../../ui/feedback/meter.js";
import { Skeleton } from "../../../ui/feedback/states.js";
import { OrganizationBudgets } from "../../../components/usage/budgets-card.js";
import { DiskUsageCard } from "../../../components/usage/disk-usage-card.js";
import { UsageHistory } from "../../../components/usage/usage-history.js";
import { SettingsHint } from "../../../access/permission-hint.js";
import type { DenyReason } from "../../../access/permissions.js";
import { usageQuery } from "../../../api/queries/organization/organizations.js";
import { agentsText, hoursText } from "../../../components/organizations/usage.js";
import { useOrganizationForm } from "./update.js";

interface ResourcesTabProps {
  organization: Organization;
  refusal: DenyReason;
}

export function ResourcesTab({ organization, refusal }: ResourcesTabProps): ReactElement {
  const usage = useQuery(usageQuery(organization.id));
  const form = useOrganizationForm({
    organization,
    savedOf: ({ max_concurrent_agents, max_agent_runtime_hours }) => ({
      max_concurrent_agents: String(max_concurrent_agents),
      max_agent_runtime_hours: hoursField(max_agent_runtime_hours),
    }),
    toBody: (values, changed) => ({
      ...(changed.has("max_concurrent_agents")
        ? { max_concurrent_agents: numberFrom(values.max_concurrent_agents) }
        : {}),
      ...(changed.has("max_agent_runtime_hours")
        ? { max_agent_runtime_hours: numberFrom(values.max_agent_runtime_hours) }
        : {}),
    }),
    successMessage: "Limits updated",
  });
  const reason = refusal("org:limits:write");

  if (usage.isPending) return <Skeleton />;
  return (
    <div className="flex flex-col gap-4">
      <Card title="Limits">
        <Form label="Resources" {...form.props} className="max-w-xl">
          <SettingsHint reason={reason} />
          <TextField
            label="Max Concurrent Agents"
            {...form.field("max_concurrent_agents")}
            inputMode="numeric"
            disabledReason={reason}
            hint={
              usage.data && (
                <CurrentUsage
                  label="Concurrent agents"
                  {...usage.data.concurrent_agents}
                  text={agentsText(usage.data)}
                />
              )
            }
          />
          <TextField
            label="Max Runtime Hours"
            {...form.field("max_agent_runtime_hours")}
            inputMode="decimal"
            disabledReason={reason}
            hint={
              usage.data && (
                <CurrentUsage
                  label="Runtime hours"
                  {...usage.data.runtime_hours}
                  text={hoursText(usage.data)}
                />
              )
            }
          />
          <SubmitButton disabledReason={reason} className="self-start">
            Update Limits
          </SubmitButton>
        </Form>
      </Card>
      <OrganizationBudgets organization={organization} refusal={refusal} />
      <DiskUsageCard orgId={organization.id} />
      <UsageHistory organization={organization} />
    </div>
  );
}

/** "100.0": shows that hours may have decimals. */
function hoursField(hours: number): string {
  return Number.isInteger(hours) ? hours.toFixed(1) : String(hours);
}

/** An empty field is not zero. */
function numberFrom(text: string): number {
  return text.trim() === "" ? Number.NaN : Number(text);
}

function CurrentUsage(props: {
  label: string;
  current: number;
  limit: number;
  text: string;
}): ReactElement {
  return (
    <div className="mt-0.5 flex flex-col gap-1.5">
      <span>
        Current Usage: <span className="text-ink tabular-nums">{props.text}</span>
      </span>
      <Meter {...props} />
    </div>
  );
}
