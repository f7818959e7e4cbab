import type { ReactElement } from "react";
import { useAction } from "../../action.js";
import { client } from "../../api.js";
import { Button } from "../../ui/button.js";
import { projectsKey } from "../projects/queries.js";
import { workspacesKey } from "../workspaces/queries.js";
import { agentsKey } from "./queries.js";

interface CreateWorkspaceButtonProps {
  agentId: string;
  agentName: string;
  disabledReason: string | undefined;
  size?: "sm" | "md";
  variant?: "primary" | "secondary";
}

/** Gives an agent its folder and branch; whoever lists it then shows the branch and a link. */
export function CreateWorkspaceButton({
  agentId,
  agentName,
  disabledReason,
  size = "md",
  variant = "secondary",
}: CreateWorkspaceButtonProps): ReactElement {
  const create = useAction({
    run: (_: undefined, headers) =>
      client.workspaces.create({ params: { agent_id: agentId }, body: {} }, { headers }),
    refresh: [agentsKey, workspacesKey, projectsKey],
    say: () => "Workspace created",
    toastErrors: true,
  });
  return (
    <Button
      size={size}
      variant={variant}
      title={`Create workspace for ${agentName}`}
      pending={create.pending}
      disabledReason={disabledReason}
      onClick={() => create.submit(undefined)}
    >
      Create workspace
    </Button>
  );
}
