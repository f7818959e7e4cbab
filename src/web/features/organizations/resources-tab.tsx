import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import type { Organization } from "#shared/api/organizations.js";
import { Button } from "../../ui/button.js";
import { Card } from "../../ui/card.js";
import { TextField } from "../../ui/field.js";
import { Form } from "../../ui/form.js";
import { Meter } from "../../ui/meter.js";
import { UsageHistory } from "../usage/usage-history.js";
import { SettingsHint } from "./permission-hint.js";
import type { Refusal } from "./permissions.js";
import { usageQuery } from "./queries.js";
import { agentsText, hoursText } from "./usage.js";
import { useUpdateOrganization } from "./update.js";

interface ResourcesTabProps {
  organization: Organization;
  refusal: Refusal;
}

export function ResourcesTab({ organization, refusal }: ResourcesTabProps): ReactElement {
  const usage = useQuery(usageQuery(organization.id));
  const [maxAgents, setMaxAgents] = useState(String(organization.max_concurrent_agents));
  const [maxHours, setMaxHours] = useState(String(organization.max_agent_runtime_hours));

  const update = useUpdateOrganization(organization.id, "Limits updated");
  const errors = {
    maxAgents: update.error?.field("max_concurrent_agents"),
    maxHours: update.error?.field("max_agent_runtime_hours"),
  };
  const reason = refusal("org:limits:write");
  const handleSubmit = (): void => {
    update.submit({
      // An empty field is not zero.
      max_concurrent_agents: maxAgents.trim() === "" ? Number.NaN : Number(maxAgents),
      max_agent_runtime_hours: maxHours.trim() === "" ? Number.NaN : Number(maxHours),
    });
  };

  return (
    <div className="flex flex-col gap-4">
      <Card title="Limits">
        <Form
          label="Resources"
          onSubmit={handleSubmit}
          error={update.error}
          isShownAtField={Object.values(errors).some(Boolean)}
          className="max-w-xl"
        >
          <SettingsHint reason={reason} />
          <TextField
            label="Max Concurrent Agents"
            name="max_concurrent_agents"
            inputMode="numeric"
            value={maxAgents}
            onChange={setMaxAgents}
            error={errors.maxAgents}
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
            name="max_agent_runtime_hours"
            inputMode="decimal"
            value={maxHours}
            onChange={setMaxHours}
            error={errors.maxHours}
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
          <div>
            <Button
              type="submit"
              variant="primary"
              pending={update.pending}
              disabledReason={reason}
            >
              Update Limits
            </Button>
          </div>
        </Form>
      </Card>
      <UsageHistory organization={organization} />
    </div>
  );
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
