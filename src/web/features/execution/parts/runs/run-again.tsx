import { useNavigate } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import type { Agent } from "#shared/api/work/agents.js";
import type { Run } from "#shared/api/execution/runs.js";
import { client } from "../../../../api/client.js";
import { agentsKey } from "../../../../api/queries/work/agents.js";
import { organizationsKey } from "../../../../api/queries/organization/organizations.js";
import { useApiMutation } from "../../../../api/use-mutation.js";
import { paths } from "../../../../paths/paths.js";
import { Button } from "../../../../ui/actions/button.js";
import { bodyOfRun } from "./run-values.js";
import { StartRunDialog } from "./start/start-run-dialog.js";
import { useStart } from "./start/use-start.js";

interface RunAgainProps {
  agent: Agent;
  /** A managed run that has ended. */
  run: Run;
  /** Shows icons only, for lists. */
  isCompact?: boolean;
  disabledReason: string | undefined;
}

/** Repeats a run as it was, or after a change. A run with variables needs their values again. */
export function RunAgain({
  agent,
  run,
  isCompact = false,
  disabledReason,
}: RunAgainProps): ReactElement {
  const [isEditing, setEditing] = useState(false);
  const navigate = useNavigate();
  const { isolation } = useStart(agent, disabledReason);
  const again = useApiMutation({
    run: (_input: undefined, headers) =>
      client.runs.create({ params: { agent_id: agent.id }, body: bodyOfRun(run) }, { headers }),
    refresh: [agentsKey, organizationsKey],
    onDone: ({ id }) => void navigate(paths.run(agent.id, id)),
    toastErrors: true,
  });
  const look = isCompact ? ({ size: "sm", variant: "ghost" } as const) : {};
  const label = isCompact ? "sr-only" : "";
  return (
    <>
      <Button
        {...look}
        {...(isCompact && { title: "Run again" })}
        icon="retry"
        pending={again.pending}
        disabledReason={disabledReason}
        onClick={() => (run.env_names.length > 0 ? setEditing(true) : again.submit(undefined))}
      >
        <span className={label}>Run again</span>
      </Button>
      <Button
        {...look}
        {...(isCompact && { title: "Edit and run", icon: "edit" as const })}
        disabledReason={disabledReason}
        onClick={() => setEditing(true)}
      >
        <span className={label}>Edit and run</span>
      </Button>
      <StartRunDialog
        isOpen={isEditing && disabledReason === undefined}
        onClose={() => setEditing(false)}
        agent={agent}
        isolation={isolation}
        task={agent.task?.text ?? null}
        run={run}
      />
    </>
  );
}
