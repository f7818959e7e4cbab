import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import type { Check } from "#shared/api/code/merge-requests.js";
import type { Project } from "#shared/api/code/projects.js";
import type { DenyReason } from "../../../../access/deny-reason.js";
import { client } from "../../../../api/client.js";
import { checksQuery } from "../../../../api/queries/code/merge-queue.js";
import { projectsKey } from "../../../../api/queries/code/projects.js";
import { Await } from "../../../../components/await.js";
import { ConfirmButton } from "../../../../components/confirmations.js";
import { lineOf } from "../../../../components/command/command-line.js";
import { Button } from "../../../../ui/actions/button.js";
import { Card } from "../../../../ui/layout/card.js";
import { Table } from "../../../../ui/tables/table.js";
import { PlainText, visible, visibleLines } from "../../../../ui/text/plain-text.js";
import { CheckDialog } from "./check-dialog.js";

/** The project's checks: commands that a commit must pass before it lands on a protected branch. */
export function ChecksCard({
  project,
  refusal,
}: {
  project: Project;
  refusal: DenyReason;
}): ReactElement {
  const reason = refusal("project:write") ?? refusal("project:protection:write");
  const checks = useQuery(checksQuery(project.id));
  /** The check that is edited; "new" for another one. */
  const [edited, setEdited] = useState<Check | "new" | null>(null);
  return (
    <Card
      title="Checks"
      actions={
        <Button icon="plus" disabledReason={reason} onClick={() => setEdited("new")}>
          New check
        </Button>
      }
    >
      <Await query={checks} rows={1}>
        {(list) =>
          list.length === 0 ? (
            <p className="text-muted">
              None yet. A check is a command, such as npm test. It runs in the sandbox on the commit
              that would land.
            </p>
          ) : (
            <div className="-m-4">
              <Table
                label="Checks"
                rows={list}
                rowKey={({ name }) => name}
                columns={[
                  {
                    name: "Check",
                    renderCell: ({ name }) => <PlainText value={name} className="font-medium" />,
                  },
                  {
                    name: "Command",
                    renderCell: ({ command }) => (
                      <code className="font-mono text-[13px] [overflow-wrap:anywhere]">
                        {visibleLines(lineOf(command))}
                      </code>
                    ),
                  },
                  {
                    name: "Timeout",
                    renderCell: ({ timeout_seconds: seconds }) =>
                      seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`,
                  },
                  {
                    name: "Actions",
                    renderCell: (check) => (
                      <span className="inline-flex flex-wrap gap-2">
                        <Button
                          size="sm"
                          aria-label={`Edit ${visible(check.name)}`}
                          disabledReason={reason}
                          onClick={() => setEdited(check)}
                        >
                          Edit
                        </Button>
                        <DeleteCheck project={project} check={check} reason={reason} />
                      </span>
                    ),
                  },
                ]}
              />
            </div>
          )
        }
      </Await>
      {edited !== null && (
        <CheckDialog
          project={project}
          refusal={refusal}
          check={edited === "new" ? null : edited}
          onClose={() => setEdited(null)}
        />
      )}
    </Card>
  );
}

function DeleteCheck({
  project,
  check,
  reason,
}: {
  project: Project;
  check: Check;
  reason: string | undefined;
}): ReactElement {
  const params = { project_id: project.id, name: check.name };
  const user = project.protected_branches.find(({ checks }) => checks.includes(check.name));
  const inUse = user && `The protected branch ${visible(user.pattern)} requires it.`;
  return (
    <ConfirmButton
      size="sm"
      label="Delete"
      aria-label={`Delete ${visible(check.name)}`}
      disabledReason={reason ?? inUse}
      title={`Delete the check ${visible(check.name)}?`}
      action="Delete"
      mutation={{
        run: (_input, headers) => client.mergeQueue.deleteCheck({ params }, { headers }),
        refresh: [projectsKey],
        successMessage: () => "The check is deleted",
      }}
    >
      Its past results stay with the merge requests.
    </ConfirmButton>
  );
}
