import { getRouteApi } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import type { Automation } from "#shared/api/work/automations.js";
import { useDenyReason } from "../../../access/permissions.js";
import { projectQuery } from "../../../api/queries/code/projects.js";
import { automationQuery } from "../../../api/queries/work/automations.js";
import { useLoaded } from "../../../api/use-loaded.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { StatusDot } from "../../../ui/feedback/badge.js";
import { CopyButton } from "../../../ui/feedback/copy-button.js";
import { Card, Details, type Rows } from "../../../ui/layout/card.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { SecretText } from "../../../ui/text/secret-text.js";
import { Time } from "../../../ui/text/time.js";
import {
  automationStatusNames,
  automationTones,
  describeTrigger,
  operatorName,
  operatorOf,
} from "../parts/automations/automation-words.js";
import { AutomationActions } from "./automation-actions.js";
import { AutomationPageFrame } from "./automation-page-frame.js";
import { FiringsCard } from "./firings-card.js";
import { forgetAddress, shownAddress } from "./shown-address.js";
import { TrialCard } from "./trial-card.js";

const route = getRouteApi("/app/projects/$projectId/automations/$automationId");

/** One automation: what it does, what it would do, and what it has done. */
export function AutomationPage(): ReactElement {
  const { projectId, automationId } = route.useParams();
  const { data: automation } = useLoaded(automationQuery(projectId, automationId));
  const { data: project } = useLoaded(projectQuery(projectId));
  const refusal = useDenyReason(project.organization_id);
  const [address, setAddress] = useState(() => shownAddress(automationId));
  const reason = refusal("project:automation:write");
  return (
    <AutomationPageFrame
      projectId={projectId}
      title={automation.name}
      actions={<AutomationActions automation={automation} reason={reason} onAddress={setAddress} />}
    >
      {address !== null && (
        <NewAddress
          address={address}
          onDone={() => {
            forgetAddress();
            setAddress(null);
          }}
        />
      )}
      {automation.status_reason !== null && (
        <Alert tone="warn">
          <PlainText value={automation.status_reason} />
        </Alert>
      )}
      <Card>
        <Details rows={rowsOf(automation)} />
      </Card>
      <TrialCard automation={automation} reason={reason} />
      <FiringsCard automation={automation} />
    </AutomationPageFrame>
  );
}

function rowsOf(automation: Automation): Rows {
  const { status, triggers, filter, action, acts_as, owner, limits, overlap, next } = automation;
  const { per_day, at_once, cost_usd_per_day } = limits;
  const overlaps = {
    skip: "further events are skipped",
    queue: "further events wait",
    replace: "a further event stops the oldest one",
  };
  return {
    Status: <StatusDot tone={automationTones[status]}>{automationStatusNames[status]}</StatusDot>,
    When: (
      <ul>
        {triggers.map((trigger) => (
          <li key={JSON.stringify(trigger)}>{describeTrigger(trigger)}</li>
        ))}
      </ul>
    ),
    ...(next.length > 0 &&
      status === "active" && {
        "Next, your time": (
          <ul aria-label="Next times" className="flex flex-wrap gap-x-4">
            {next.map((time) => (
              <li key={time}>
                <Time value={time} />
              </li>
            ))}
          </ul>
        ),
      }),
    ...(filter.length > 0 && {
      "Only if": (
        <ul>
          {filter.map((condition) => {
            const { operator, text } = operatorOf(condition);
            return (
              <li key={JSON.stringify(condition)} className="wrap-anywhere">
                <code className="text-[13px]">{condition.path}</code> {operatorName(operator)}{" "}
                <PlainText value={`“${text}”`} />
              </li>
            );
          })}
        </ul>
      ),
    }),
    Do:
      action.type === "create_task" ? (
        <>
          Create the task <PlainText value={`“${action.title}”`} />
        </>
      ) : action.type === "run_check" ? (
        <>
          Run the check <PlainText value={`“${action.name}”`} />
        </>
      ) : (
        "Send a prompt to the task that the event belongs to"
      ),
    As:
      acts_as === null ? (
        "No account: it was removed"
      ) : (
        <>
          {acts_as.type === "service_account" ? "Service account " : ""}
          <PlainText value={acts_as.name} />
          {owner !== null && owner.id !== acts_as.id && (
            <>
              , owned by <PlainText value={owner.name} />
            </>
          )}
        </>
      ),
    Limits: `At most ${per_day} a day and ${at_once} at once; then ${overlaps[overlap]}${
      cost_usd_per_day === null ? "" : `; $${cost_usd_per_day} a day`
    }`,
  };
}

interface NewAddressProps {
  address: NonNullable<ReturnType<typeof shownAddress>>;
  onDone: () => void;
}

/** The address of an automation, shown once. */
function NewAddress({ address: { url, secret }, onDone }: NewAddressProps): ReactElement {
  return (
    <Card title="Its address">
      <div className="flex flex-col gap-4">
        <Alert tone="warn" live>
          Copy the address now. It is not shown again.
        </Alert>
        {url !== null && <SecretText data-testid="address">{url}</SecretText>}
        {secret !== null && (
          <>
            <p className="text-muted">Requests must be signed with this secret:</p>
            <SecretText data-testid="secret">{secret}</SecretText>
          </>
        )}
        <div className="flex flex-wrap gap-2">
          {url !== null && <CopyButton label="Copy address" text={url} done="Address copied" />}
          {secret !== null && <CopyButton label="Copy secret" text={secret} done="Secret copied" />}
          <button type="button" className="text-[13px] underline" onClick={onDone}>
            Done
          </button>
        </div>
      </div>
    </Card>
  );
}
