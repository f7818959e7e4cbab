import type { ReactElement } from "react";
import type { Run } from "#shared/api/execution/runs.js";
import { client } from "../../../../api/client.js";
import { agentsKey } from "../../../../api/queries/work/agents.js";
import { organizationsKey } from "../../../../api/queries/organization/organizations.js";
import { projectsKey } from "../../../../api/queries/code/projects.js";
import { ConfirmButton } from "../../../../components/confirmations.js";

interface StopRunButtonProps {
  run: Pick<Run, "id" | "status" | "stop_requested"> & Partial<Pick<Run, "kind">>;
  disabledReason: string | undefined;
}

/** Stops a run or removes it from the queue, after confirmation. */
export function StopRunButton({ run, disabledReason }: StopRunButtonProps): ReactElement {
  const isQueued = run.status === "queued";
  const noun = run.kind === "build" ? "build" : "run";
  return (
    <ConfirmButton
      label={isQueued ? "Cancel queued run" : `Stop ${noun}`}
      disabledReason={
        disabledReason ??
        (run.kind === "review"
          ? "Cancel the second opinion on the page of its task"
          : run.stop_requested
            ? "It is being stopped"
            : undefined)
      }
      title={isQueued ? "Cancel this run?" : `Stop this ${noun}?`}
      mutation={{
        run: (_input, headers) => client.runs.stop({ params: { run_id: run.id } }, { headers }),
        refresh: [agentsKey, organizationsKey, projectsKey],
      }}
    >
      {isQueued
        ? "It leaves the queue and never starts."
        : `Its processes get a signal to end, and are killed if they do not. ${
            run.kind === "build"
              ? "The build counts as failed."
              : "Its changes stay in the workspace."
          }`}
    </ConfirmButton>
  );
}
