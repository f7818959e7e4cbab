import { type ReactElement, useState } from "react";
import type { Run } from "#shared/api/agents/runs.js";
import { useApiMutation } from "../../api/use-mutation.js";
import { client } from "../../api/client.js";
import { Button } from "../../ui/button.js";
import { ConfirmDialog } from "../../ui/dialog.js";
import { agentsKey } from "../../api/queries/agents.js";
import { organizationsKey } from "../../api/queries/organizations.js";

interface StopRunButtonProps {
  run: Pick<Run, "id" | "status" | "stop_requested">;
  disabledReason: string | undefined;
}

/** Stops a run or removes it from the queue, after confirmation. */
export function StopRunButton({ run, disabledReason }: StopRunButtonProps): ReactElement {
  const [isAsking, setAsking] = useState(false);
  const isQueued = run.status === "queued";
  const act = isQueued ? "Cancel queued run" : "Stop run";
  const stop = useApiMutation({
    run: (_: undefined, headers) => client.runs.stop({ params: { run_id: run.id } }, { headers }),
    refresh: [agentsKey, organizationsKey],
    onDone: () => setAsking(false),
  });
  const close = (): void => {
    stop.reset();
    setAsking(false);
  };
  return (
    <>
      <Button
        disabledReason={disabledReason ?? (run.stop_requested ? "It is being stopped" : undefined)}
        onClick={() => setAsking(true)}
      >
        {act}
      </Button>
      <ConfirmDialog
        isOpen={isAsking}
        onClose={close}
        title={isQueued ? "Cancel this run?" : "Stop this run?"}
        action={act}
        pending={stop.pending}
        error={stop.error}
        onConfirm={() => stop.submit(undefined)}
      >
        {isQueued
          ? "It leaves the queue and never starts."
          : "Its processes get a signal to end, and are killed if they do not. Its changes stay in the workspace."}
      </ConfirmDialog>
    </>
  );
}
