import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { Automation, Firing } from "#shared/api/work/automations.js";
import { useCursorPages } from "../../../api/cursor-pages.js";
import { firingList } from "../../../api/queries/work/automations.js";
import { Waiting } from "../../../components/await.js";
import { paths } from "../../../paths/paths.js";
import { Button } from "../../../ui/actions/button.js";
import { StatusDot } from "../../../ui/feedback/badge.js";
import { Card } from "../../../ui/layout/card.js";
import { Table } from "../../../ui/tables/table.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { Time } from "../../../ui/text/time.js";
import { CheckStatus } from "../../code/parts/merge-requests/request-status.js";
import { decisionNames, decisionTones, eventName } from "../parts/automations/automation-words.js";

/** What an automation has heard of, newest first, each with the decision and its reason. */
export function FiringsCard({ automation }: { automation: Automation }): ReactElement {
  const { query, rows, place } = useCursorPages(firingList(automation.project_id, automation.id));
  return (
    <Card title="Firings" isFlush={rows.length > 0}>
      {query.data === undefined ? (
        <Waiting query={query} what="The firings" />
      ) : rows.length === 0 ? (
        <p className="text-muted">It has not fired yet.</p>
      ) : (
        <>
          <Table
            label="Firings"
            rows={rows}
            rowKey={({ id }) => id}
            columns={[
              { name: "Time", renderCell: ({ at }) => <Time value={at} /> },
              {
                name: "Event",
                renderCell: ({ type, by }) => (
                  <>
                    {eventName(type)}
                    {by !== null && (
                      <>
                        {" by "}
                        <PlainText value={by} />
                      </>
                    )}
                  </>
                ),
              },
              {
                name: "Decision",
                renderCell: ({ decision }) => (
                  <StatusDot tone={decisionTones[decision]}>{decisionNames[decision]}</StatusDot>
                ),
              },
              {
                name: "Result",
                renderCell: (firing) => (
                  <Result firing={firing} projectId={automation.project_id} />
                ),
              },
            ]}
          />
          {(place.page > 1 || place.hasNext) && (
            <div className="flex justify-end gap-2 border-t border-line px-4 py-3">
              <Button
                size="sm"
                disabledReason={place.page > 1 ? undefined : "This is the first page."}
                onClick={() => place.onGo(-1)}
              >
                Newer
              </Button>
              <Button
                size="sm"
                disabledReason={place.hasNext ? undefined : "This is the last page."}
                onClick={() => place.onGo(1)}
              >
                Older
              </Button>
            </div>
          )}
        </>
      )}
    </Card>
  );
}

function Result({ firing, projectId }: { firing: Firing; projectId: string }): ReactElement {
  const { task, check, reason } = firing;
  return (
    <span className="wrap-anywhere">
      {check !== null && <CheckResult check={check} projectId={projectId} />}
      {check !== null && task !== null && ", of "}
      {task !== null && (
        <Link {...paths.task(task.id)} className="hover:underline">
          #{task.number} <PlainText value={task.title} />
        </Link>
      )}
      {task !== null && reason !== null && ": "}
      {reason !== null && <PlainText value={reason} />}
    </span>
  );
}

interface CheckProps {
  check: NonNullable<Firing["check"]>;
  projectId: string;
}

/** A check with its commit, its state and its detail. */
function CheckResult({ check, projectId }: CheckProps): ReactElement {
  const { name, status, branch, commit_sha, agent_id, run_id, detail } = check;
  const page =
    run_id === null
      ? null
      : agent_id === null
        ? paths.build(projectId, run_id)
        : paths.run(agent_id, run_id);
  return (
    <>
      {page === null ? (
        <PlainText value={name} />
      ) : (
        <Link {...page} className="hover:underline">
          <PlainText value={name} />
        </Link>
      )}
      {" on "}
      <PlainText value={branch} /> at <code className="text-[13px]">{commit_sha.slice(0, 12)}</code>{" "}
      <CheckStatus status={status} />
      {detail !== null && (
        <>
          {" "}
          <PlainText value={detail} />
        </>
      )}
    </>
  );
}
