import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import type { SandboxState } from "#shared/api/sandbox.js";
import { useAction } from "../../action.js";
import { client } from "../../api.js";
import { Button } from "../../ui/button.js";
import { Dialog, DialogActions } from "../../ui/dialog.js";
import { Form } from "../../ui/form.js";
import { RadioList } from "../../ui/radio.js";
import { projectsKey } from "../projects/queries.js";
import { sandboxQuery } from "../runs/queries.js";
import { workspacesKey } from "../workspaces/queries.js";
import { agentsKey } from "./queries.js";

const types = [
  {
    value: "local",
    label: "Local",
    hint: "A folder on this server; what the agent writes there is committed by checkpoints.",
  },
  {
    value: "docker",
    label: "Docker",
    hint: "A folder on this server, too; commands run on it in containers.",
  },
  {
    value: "remote",
    label: "Remote",
    hint: "No folder here: the agent works on another machine, clones, and pushes its branch.",
  },
] as const;
type WorkspaceType = (typeof types)[number]["value"];

function whyNoDocker(state: SandboxState | undefined): string | undefined {
  if (state?.docker.mode === "docker") return undefined;
  if (state === undefined) return "Looking for a Docker engine…";
  const { reason, install } = state.docker;
  return `Not here: ${reason}.${install === null ? "" : ` Whoever runs the server can mend that: ${install}`}`;
}

interface CreateWorkspaceDialogProps {
  isOpen: boolean;
  onClose: () => void;
  agentId: string;
  agentName: string;
}

/** Gives an agent its branch, and a folder if it is to have one here. */
export function CreateWorkspaceDialog({
  isOpen,
  onClose,
  agentId,
  agentName,
}: CreateWorkspaceDialogProps): ReactElement {
  return (
    <Dialog
      isOpen={isOpen}
      onClose={onClose}
      title={`Create workspace for ${agentName}`}
      description="Its own branch: what the agent does there touches nobody else until it is merged."
    >
      <CreateWorkspaceForm agentId={agentId} onClose={onClose} />
    </Dialog>
  );
}

interface CreateWorkspaceButtonProps {
  agentId: string;
  agentName: string;
  disabledReason: string | undefined;
  variant?: "primary" | "secondary";
}

/** In a list of agents, which then shows the branch and a link. */
export function CreateWorkspaceButton({
  agentId,
  agentName,
  disabledReason,
  variant = "secondary",
}: CreateWorkspaceButtonProps): ReactElement {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <Button
        size={variant === "primary" ? "md" : "sm"}
        variant={variant}
        title={`Create workspace for ${agentName}`}
        disabledReason={disabledReason}
        onClick={() => setOpen(true)}
      >
        Create workspace
      </Button>
      <CreateWorkspaceDialog
        isOpen={isOpen}
        onClose={() => setOpen(false)}
        agentId={agentId}
        agentName={agentName}
      />
    </>
  );
}

function CreateWorkspaceForm({
  agentId,
  onClose,
}: {
  agentId: string;
  onClose: () => void;
}): ReactElement {
  const [type, setType] = useState<WorkspaceType>("local");
  const { data: sandbox } = useQuery(sandboxQuery);
  const create = useAction({
    run: (workspace_type: WorkspaceType, headers) =>
      client.workspaces.create(
        { params: { agent_id: agentId }, body: { workspace_type } },
        { headers },
      ),
    refresh: [agentsKey, workspacesKey, projectsKey],
    say: () => "Workspace created",
    onDone: onClose,
  });
  return (
    <Form
      label="Create workspace"
      onSubmit={() => create.submit(type)}
      error={create.error}
      isShownAtField={false}
    >
      <RadioList
        legend="Where does the agent work?"
        value={type}
        onChange={setType}
        options={types.map((one) =>
          one.value === "docker" ? { ...one, disabledReason: whyNoDocker(sandbox) } : one,
        )}
      />
      <DialogActions>
        <Button onClick={onClose}>Cancel</Button>
        <Button type="submit" variant="primary" pending={create.pending}>
          Create workspace
        </Button>
      </DialogActions>
    </Form>
  );
}
