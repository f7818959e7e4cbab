import type { ReactElement } from "react";
import { client } from "../../api/client.js";
import { projectsKey } from "../../api/queries/code/projects.js";
import { organizationsKey } from "../../api/queries/organization/organizations.js";
import { agentsKey } from "../../api/queries/work/agents.js";
import { useApiMutation } from "../../api/use-mutation.js";
import { ConfirmDialog } from "../../ui/overlays/dialog.js";
import { visible } from "../../ui/text/plain-text.js";

/** A run to stop, and whose it is. */
export interface StoppedRun {
  id: string;
  agentName: string;
}

/** Asks whether to stop a run that was chosen in the command palette. */
export function StopRunDialog(props: { run: StoppedRun; onClose: () => void }): ReactElement {
  const { run, onClose } = props;
  const { submit, pending, error } = useApiMutation({
    run: (_input: undefined, headers) =>
      client.runs.stop({ params: { run_id: run.id } }, { headers }),
    refresh: [agentsKey, organizationsKey, projectsKey],
    successMessage: () => "The run is being stopped",
    onDone: onClose,
  });
  return (
    <ConfirmDialog
      isOpen
      onClose={onClose}
      title={`Stop the run of ${visible(run.agentName)}?`}
      action="Stop run"
      pending={pending}
      error={error}
      onConfirm={() => submit(undefined)}
    >
      Its changes are kept.
    </ConfirmDialog>
  );
}
