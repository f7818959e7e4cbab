import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { Automation } from "#shared/api/work/automations.js";
import { automationsQuery } from "../../../../api/queries/work/automations.js";
import { Await } from "../../../../components/await.js";
import { paths } from "../../../../paths/paths.js";
import { buttonClass } from "../../../../ui/actions/button.js";
import { StatusDot } from "../../../../ui/feedback/badge.js";
import { Card } from "../../../../ui/layout/card.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { RelativeTime, Time } from "../../../../ui/text/time.js";
import { automationTemplates } from "./automation-templates.js";
import { automationStatusNames, automationTones, describeTrigger } from "./automation-words.js";

interface AutomationsProps {
  projectId: string;
  canWrite: boolean;
}

/** The automations of a project, and templates to begin from. */
export function AutomationList({ projectId, canWrite }: AutomationsProps): ReactElement {
  const automations = useQuery(automationsQuery(projectId));
  return (
    <>
      <Card
        title="Automations"
        actions={
          canWrite && (
            <Link {...paths.newAutomation(projectId)} className={buttonClass("primary", "sm")}>
              New automation
            </Link>
          )
        }
      >
        <Await query={automations} rows={2} what="The automations">
          {(list) =>
            list.length === 0 ? (
              <p className="text-muted">
                No automations yet. One starts tasks at certain times, when something happens, or
                when another system asks for it.
              </p>
            ) : (
              <ul className="-m-4 divide-y divide-line">
                {list.map((item) => (
                  <li key={item.id} className="px-4 py-3">
                    <AutomationSummary automation={item} />
                  </li>
                ))}
              </ul>
            )
          }
        </Await>
      </Card>
      {canWrite && <Templates projectId={projectId} />}
    </>
  );
}

function AutomationSummary({ automation }: { automation: Automation }): ReactElement {
  const { id, project_id, name, status, status_reason, triggers, next_at, last_fired_at } =
    automation;
  return (
    <div className="flex min-w-0 flex-col gap-1">
      <div className="flex flex-wrap items-baseline justify-between gap-x-4 gap-y-1">
        <Link
          {...paths.automation(project_id, id)}
          className="min-w-0 font-medium wrap-anywhere hover:underline"
        >
          <PlainText value={name} />
        </Link>
        <StatusDot tone={automationTones[status]}>{automationStatusNames[status]}</StatusDot>
      </div>
      <p className="text-[13px] text-muted">{triggers.map(describeTrigger).join(" · ")}</p>
      <p className="text-[13px] text-muted">
        {last_fired_at === null ? (
          "Has not fired yet"
        ) : (
          <>
            Fired <RelativeTime value={last_fired_at} />
          </>
        )}
        {next_at !== null && (
          <>
            {" · next "}
            <Time value={next_at} />
          </>
        )}
      </p>
      {status_reason !== null && (
        <p className="text-[13px] text-warn">
          <PlainText value={status_reason} />
        </p>
      )}
    </div>
  );
}

function Templates({ projectId }: { projectId: string }): ReactElement {
  return (
    <Card title="Templates">
      <ul className="grid gap-3 sm:grid-cols-2">
        {automationTemplates("UTC").map(({ key, name, description }) => (
          <li key={key} className="flex flex-col gap-1 rounded-md border border-line px-3 py-2.5">
            <Link
              {...paths.newAutomation(projectId, { template: key })}
              className="w-fit font-medium hover:underline"
            >
              {name}
            </Link>
            <p className="text-[13px] text-muted">{description}</p>
          </li>
        ))}
      </ul>
    </Card>
  );
}
