import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { Organization } from "#shared/api/organization/organizations.js";
import { Card } from "../../../../ui/layout/card.js";
import { TextField } from "../../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../../ui/fields/form.js";
import { Meter } from "../../../../ui/feedback/meter.js";
import { Skeleton } from "../../../../ui/feedback/states.js";
import { OrganizationBudgets } from "../../parts/usage/budgets-card.js";
import { DiskUsageCard } from "../usage/disk-usage-card.js";
import { UsageHistory } from "../usage/usage-history.js";
import { SettingsHint } from "../../../../access/permission-hint.js";
import type { DenyReason } from "../../../../access/deny-reason.js";
import { usageQuery } from "../../../../api/queries/organization/organizations.js";
import { queryClient } from "../../../../api/query-client.js";
import { countOf, formatHours } from "../../../../ui/text/number.js";
import { agentsText, hoursText } from "../../parts/usage/usage.js";
import { lowLimitText, useLimitQuestion } from "../../parts/usage/use-limit-question.js";
import { AllowedModelsCard } from "./allowed-models-card.js";
import { useOrganizationForm } from "./update.js";

interface ResourcesTabProps {
  organization: Organization;
  refusal: DenyReason;
}

export function ResourcesTab({ organization, refusal }: ResourcesTabProps): ReactElement {
  const usage = useQuery(usageQuery(organization.id));
  const form = useOrganizationForm({
    organization,
    savedOf: ({ max_concurrent_agents, max_agent_runtime_hours, max_open_child_tasks }) => ({
      max_concurrent_agents: String(max_concurrent_agents),
      max_agent_runtime_hours: hoursField(max_agent_runtime_hours),
      max_open_child_tasks: String(max_open_child_tasks),
    }),
    toBody: (values, changed) => ({
      ...(changed.has("max_concurrent_agents")
        ? { max_concurrent_agents: numberFrom(values.max_concurrent_agents) }
        : {}),
      ...(changed.has("max_agent_runtime_hours")
        ? { max_agent_runtime_hours: numberFrom(values.max_agent_runtime_hours) }
        : {}),
      ...(changed.has("max_open_child_tasks")
        ? { max_open_child_tasks: numberFrom(values.max_open_child_tasks) }
        : {}),
    }),
    successMessage: "Limits updated",
  });
  const question = useLimitQuestion({
    submit: form.submit,
    findWarnings: async () => {
      const agents = numberFrom(form.values.max_concurrent_agents);
      const hours = numberFrom(form.values.max_agent_runtime_hours);
      const before = organization;
      const isSame =
        agents === before.max_concurrent_agents && hours === before.max_agent_runtime_hours;
      if (isSame) return [];
      const now = await queryClient.fetchQuery({ ...usageQuery(organization.id), staleTime: 0 });
      const lowAgents =
        agents === before.max_concurrent_agents
          ? undefined
          : lowLimitText(agents, now.concurrent_agents.current, (used) => countOf(used, "agent"));
      const lowHours =
        hours === before.max_agent_runtime_hours
          ? undefined
          : lowLimitText(hours, now.runtime_hours.current, formatHours);
      return [
        ...(lowAgents === undefined
          ? []
          : [lowAgents, "They keep running; no other agent starts until fewer of them run."]),
        ...(lowHours === undefined
          ? []
          : [lowHours, "All runs stop at once, and none start until next month."]),
      ];
    },
  });
  const reason = refusal("org:limits:write");

  if (usage.isPending) return <Skeleton />;
  return (
    <div className="flex flex-col gap-4">
      <Card title="Limits">
        <Form label="Resources" {...form.props} onSubmit={question.onSubmit} className="max-w-xl">
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
          <TextField
            label="Max open child tasks"
            {...form.field("max_open_child_tasks")}
            inputMode="numeric"
            disabledReason={reason}
            hint="Unfinished tasks that the agents of one task may have created, 0 to 1,000."
          />
          <SubmitButton disabledReason={reason} className="self-start">
            Update Limits
          </SubmitButton>
        </Form>
        {question.dialog}
      </Card>
      <OrganizationBudgets organization={organization} refusal={refusal} />
      <AllowedModelsCard organization={organization} refusal={refusal} />
      <DiskUsageCard orgId={organization.id} />
      <UsageHistory organization={organization} refusal={refusal} />
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
