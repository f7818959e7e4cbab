import { useNavigate } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import type { Agent } from "#shared/api/agents/agents.js";
import type { Workspace } from "#shared/api/projects/workspaces.js";
import { useApiMutation } from "../../api/use-mutation.js";
import { client } from "../../api/client.js";
import { paths } from "../../paths/paths.js";
import { ActionRow, DangerZone } from "../../ui/danger-zone.js";
import { countOf } from "../../ui/number.js";
import { TypedConfirmation } from "../../ui/typed-confirmation.js";
import { agentsKey } from "../../api/queries/agents.js";
import { organizationsKey } from "../../api/queries/organizations.js";
import type { DenyReason } from "../../access/permissions.js";
import { projectsKey } from "../../api/queries/projects.js";
import { workspacesKey } from "../../api/queries/workspaces.js";

interface AgentDangerZoneProps {
  agent: Agent;
  /** The agent's current workspace; null if it has none. */
  workspace: Workspace | null;
  refusal: DenyReason;
}

/** Archives the workspace or terminates the agent. */
export function AgentDangerZone({ agent, workspace, refusal }: AgentDangerZoneProps): ReactElement {
  return (
    <DangerZone>
      {workspace !== null && (
        <ActionRow
          title="Archive workspace"
          description="Keeps the commits and frees the folder. It can be restored."
        >
          <ArchiveWorkspace agent={agent} workspace={workspace} refusal={refusal} />
        </ActionRow>
      )}
      <ActionRow
        title="Terminate agent"
        description="Ends the agent. Its commits, runs and usage stay."
      >
        <TerminateAgent agent={agent} refusal={refusal} />
      </ActionRow>
    </DangerZone>
  );
}

function ArchiveWorkspace({
  agent,
  workspace,
  refusal,
}: {
  agent: Agent;
  workspace: Workspace;
  refusal: DenyReason;
}): ReactElement {
  const [isOpen, setOpen] = useState(false);
  const archive = useApiMutation({
    run: (_: undefined, headers) =>
      client.workspaces.archive({ params: { agent_id: agent.id } }, { headers }),
    refresh: [agentsKey, workspacesKey, projectsKey],
    successMessage: () => `The workspace of ${agent.name} is archived`,
    onDone: () => setOpen(false),
  });
  const days = workspace.settings.retention_days;
  return (
    <TypedConfirmation
      label="Archive workspace"
      title={`Archive the workspace of ${agent.name}?`}
      reason={refusal("agent:workspace:write") ?? archiveReason(agent, workspace)}
      consequences={[
        "Uncommitted changes are committed first. All commits are kept.",
        "The folder is removed, with ignored files and any git directory the agent created.",
        `It can be restored for ${countOf(days, "day")}; longer, while its commits are in no branch.`,
      ]}
      word={agent.name}
      wordName="agent's name"
      verb="Archive"
      pending={archive.pending}
      error={archive.error}
      isOpen={isOpen}
      onOpenChange={setOpen}
      onConfirm={() => archive.submit(undefined)}
    />
  );
}

function archiveReason(agent: Agent, workspace: Workspace): string | undefined {
  if (workspace.status === "archived") return "The workspace is archived already.";
  if (workspace.status !== "active") return `The workspace is ${workspace.status}.`;
  return agent.status === "running" ? "The agent is running; stop its run first." : undefined;
}

function TerminateAgent({ agent, refusal }: { agent: Agent; refusal: DenyReason }): ReactElement {
  const [isOpen, setOpen] = useState(false);
  const navigate = useNavigate();
  const terminate = useApiMutation({
    run: (_: undefined, headers) =>
      client.agents.delete({ params: { agent_id: agent.id } }, { headers }),
    refresh: [agentsKey, workspacesKey, projectsKey, organizationsKey],
    successMessage: () => `${agent.name} is terminated`,
    onDone: () => void navigate(paths.project(agent.project_id)),
  });
  return (
    <TypedConfirmation
      label="Terminate agent"
      title={`Terminate ${agent.name}?`}
      reason={
        refusal("agent:delete") ??
        (agent.status === "terminated" ? "The agent is terminated already." : undefined)
      }
      consequences={[
        "Its run is stopped, and its API keys stop working.",
        "Its workspace is archived: commits are kept; the folder and its ignored files are removed.",
        "It leaves the organization's members. Its runs still count in the usage.",
        "The agent cannot be restored; its name is free for another one.",
      ]}
      word={agent.name}
      wordName="agent's name"
      verb="Terminate"
      pending={terminate.pending}
      error={terminate.error}
      isOpen={isOpen}
      onOpenChange={setOpen}
      onConfirm={() => terminate.submit(undefined)}
    />
  );
}
