import { useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { useAction } from "../../action.js";
import { client } from "../../api.js";
import { paths } from "../../paths.js";
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

/** Gives an agent its folder and branch, and goes there. */
export function CreateWorkspaceButton({
  agentId,
  agentName,
  disabledReason,
  size = "md",
  variant = "secondary",
}: CreateWorkspaceButtonProps): ReactElement {
  const navigate = useNavigate();
  const create = useAction({
    run: (_: undefined, headers) =>
      client.workspaces.create({ params: { agent_id: agentId }, body: {} }, { headers }),
    refresh: [agentsKey, workspacesKey, projectsKey],
    say: () => "Workspace created",
    onDone: () => void navigate(paths.workspace(agentId)),
    toastErrors: true,
  });
  return (
    <Button
      size={size}
      variant={variant}
      aria-label={`Create workspace for ${agentName}`}
      pending={create.pending}
      disabledReason={disabledReason}
      onClick={() => create.submit(undefined)}
    >
      Create workspace
    </Button>
  );
}
