import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import type { Automation, Trial } from "#shared/api/work/automations.js";
import { trialQuery } from "../../../api/queries/work/automations.js";
import { Await } from "../../../components/await.js";
import { Button } from "../../../ui/actions/button.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { Card, Details } from "../../../ui/layout/card.js";
import { PlainText, visible } from "../../../ui/text/plain-text.js";
import { decisionNames, eventName } from "../parts/automations/automation-words.js";

interface TrialProps {
  automation: Automation;
  /** Why the viewer may not try it. */
  reason: string | undefined;
}

/** Shows what an automation would do with its last event, or with an example. It starts nothing. */
export function TrialCard({ automation, reason }: TrialProps): ReactElement {
  const [isOpen, setOpen] = useState(false);
  const trial = useQuery({
    ...trialQuery(automation.project_id, automation.id),
    enabled: isOpen,
  });
  return (
    <Card
      title="Test"
      actions={
        <Button
          size="sm"
          disabledReason={reason}
          pending={isOpen && trial.isFetching}
          onClick={() => {
            if (isOpen) void trial.refetch();
            setOpen(true);
          }}
        >
          Test
        </Button>
      }
    >
      {isOpen ? (
        <Await query={trial} rows={2} what="The test">
          {(found) => <Result trial={found} />}
        </Await>
      ) : (
        <p className="text-muted">
          Shows the finished prompt or the check, as whom it acts, and what it may do and cost. It
          starts nothing.
        </p>
      )}
    </Card>
  );
}

const sources: Record<Trial["event"]["from"], string> = {
  given: "",
  last_firing: "of the last firing",
  example: "made up as an example",
};

function Result({ trial }: { trial: Trial }): ReactElement {
  const { decision, reason, event, title, prompt, check, acts_as, permissions, program } = trial;
  const { today, limits } = trial;
  const cost = limits.cost_usd_per_day === null ? "" : ` of $${limits.cost_usd_per_day}`;
  return (
    <div className="flex flex-col gap-4">
      <Alert tone={decision === "fired" ? "good" : "warn"} live>
        {decision === "fired" ? "It would fire." : `${decisionNames[decision]}.`}
        {reason !== null && (
          <>
            {" "}
            <PlainText value={reason} />
          </>
        )}
      </Alert>
      <Details
        rows={{
          Event: `${eventName(event.type)}, ${sources[event.from]}`,
          As: acts_as === null ? "No account" : <PlainText value={acts_as.name} />,
          Permissions: (
            <ul>
              {permissions.map(({ permission, allowed }) => (
                <li key={permission}>
                  {allowed ? "✓ may" : "✗ may not"} {permissionTexts[permission] ?? permission}
                </li>
              ))}
            </ul>
          ),
          ...(check !== null && { Check: checkText(check) }),
          ...(program !== null && { Program: program }),
          Today: `${today.firings} of ${limits.per_day} firings, ${today.under_way} of ${limits.at_once} under way, $${today.cost_usd.toFixed(2)}${cost}`,
          ...(title !== null && { Title: <PlainText value={title} /> }),
        }}
      />
      {prompt !== null && (
        <div className="flex flex-col gap-1.5">
          <h3 className="text-[13px] font-medium">Prompt</h3>
          <pre
            data-testid="prompt"
            className="max-h-96 overflow-auto rounded-md bg-sunken px-3 py-2 text-[13px] whitespace-pre-wrap wrap-anywhere"
          >
            <PlainText value={prompt} multiline />
          </pre>
        </div>
      )}
    </div>
  );
}

/** Names a check with what it runs on. */
function checkText({ name, branch, commit_sha }: NonNullable<Trial["check"]>): string {
  const commit = commit_sha === null ? "its newest commit" : commit_sha.slice(0, 12);
  return visible(`${name}, on ${branch} at ${commit}`);
}

const permissionTexts: Record<string, string> = {
  "project:task:write": "create tasks",
  "agent:run": "start agents",
};
