import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { SandboxState } from "#shared/api/execution/sandbox.js";
import { api } from "../../../../api/api-calls.js";
import { client } from "../../../../api/client.js";
import { useForm } from "../../../../forms/use-form.js";
import { Button } from "../../../../ui/actions/button.js";
import { Dialog, DialogActions } from "../../../../ui/overlays/dialog.js";
import { visible } from "../../../../ui/text/plain-text.js";
import { Form, SubmitButton } from "../../../../ui/fields/form.js";
import { RadioList } from "../../../../ui/fields/radio.js";
import { projectsKey } from "../../../../api/queries/code/projects.js";
import { sandboxQuery } from "../../../../api/queries/execution/runs.js";
import { workspacesKey } from "../../../../api/queries/code/workspaces.js";
import { agentsKey } from "../../../../api/queries/work/agents.js";

const types = [
  {
    value: "local",
    label: "Local",
    hint: "A folder on this server; checkpoints commit the agent's changes.",
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
  {
    value: "kubernetes",
    label: "Kubernetes",
    hint: "No folder here: each run is a Job in the cluster, with the project's image.",
  },
] as const;
const initial: { workspace_type: (typeof types)[number]["value"] } = { workspace_type: "local" };

function whyNoDocker(state: SandboxState | undefined): string | undefined {
  if (state?.docker.mode === "docker") return undefined;
  if (state === undefined) return "Looking for a Docker engine…";
  const { reason, install } = state.docker;
  return `Not here: ${reason}.${install === null ? "" : ` The server's operator can fix this: ${install}`}`;
}

function whyNoKubernetes(state: SandboxState | undefined): string | undefined {
  if (state?.kubernetes.available === true) return undefined;
  return state === undefined ? "Looking for a cluster…" : `Not here: ${state.kubernetes.reason}.`;
}

const whyNot: Partial<
  Record<(typeof types)[number]["value"], (state: SandboxState | undefined) => string | undefined>
> = { docker: whyNoDocker, kubernetes: whyNoKubernetes };

interface CreateWorkspaceDialogProps {
  isOpen: boolean;
  onClose: () => void;
  agentId: string;
  agentName: string;
}

/** Creates an agent's branch, and a local folder if its workspace type has one. */
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
      title={`Create workspace for ${visible(agentName)}`}
      description="A branch of its own: the agent's work stays there until it is merged."
    >
      <CreateWorkspaceForm agentId={agentId} onClose={onClose} />
    </Dialog>
  );
}

function CreateWorkspaceForm({
  agentId,
  onClose,
}: {
  agentId: string;
  onClose: () => void;
}): ReactElement {
  const { data: sandbox } = useQuery(sandboxQuery);
  const form = useForm({
    endpoint: api.workspaces.create,
    saved: initial,
    toBody: (values) => values,
    run: (body, headers) =>
      client.workspaces.create({ params: { agent_id: agentId }, body }, { headers }),
    refresh: [agentsKey, workspacesKey, projectsKey],
    successMessage: () => "Workspace created",
    onDone: onClose,
  });
  return (
    <Form label="Create workspace" {...form.props}>
      <RadioList
        legend="Location of the workspace"
        value={form.values.workspace_type}
        onChange={(workspace_type) => form.set({ workspace_type })}
        options={types.map((type) => ({
          ...type,
          disabledReason: whyNot[type.value]?.(sandbox),
        }))}
      />
      <DialogActions>
        <Button onClick={onClose}>Cancel</Button>
        <SubmitButton>Create workspace</SubmitButton>
      </DialogActions>
    </Form>
  );
}
