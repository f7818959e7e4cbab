import { useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { client } from "../../../api/client.js";
import { agentsKey } from "../../../api/queries/work/agents.js";
import { organizationsKey } from "../../../api/queries/organization/organizations.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { loadPart } from "../../../hooks/connection.js";
import { paths } from "../../../paths/paths.js";
import { Button } from "../../../ui/actions/button.js";

interface RunAgainButtonProps {
  agentId: string;
  runId: string;
  reason: string | undefined;
}

/** Repeats a run as it was. The values of variables are not stored: the run's page asks for them. */
export function RunAgainButton({ agentId, runId, reason }: RunAgainButtonProps): ReactElement {
  const navigate = useNavigate();
  const again = useApiMutation({
    run: async (_input: undefined, headers) => {
      const found = await client.runs.get({ params: { run_id: runId } });
      if (found.data.env_names.length > 0) return { data: null, status: found.status };
      const { bodyOfRun } = await loadPart(
        () => import("../../execution/parts/runs/run-values.js"),
      );
      const body = bodyOfRun(found.data);
      return client.runs.create({ params: { agent_id: agentId }, body }, { headers });
    },
    refresh: [agentsKey, organizationsKey],
    successMessage: (run) => (run === null ? undefined : "Run started"),
    onDone: (run) => {
      if (run === null) void navigate(paths.run(agentId, runId));
    },
    toastErrors: true,
  });
  return (
    <Button
      size="sm"
      icon="retry"
      pending={again.pending}
      disabledReason={reason}
      onClick={() => again.submit(undefined)}
    >
      Run again
    </Button>
  );
}
