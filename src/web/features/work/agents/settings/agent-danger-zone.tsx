import { useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { Agent } from "#shared/api/work/agents.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { client } from "../../../../api/client.js";
import { paths } from "../../../../paths/paths.js";
import { ActionRow, DangerZone } from "../../../../ui/layout/danger-zone.js";
import { countOf } from "../../../../ui/text/number.js";
import { agentsKey } from "../../../../api/queries/work/agents.js";
import { organizationsKey } from "../../../../api/queries/organization/organizations.js";
import type { DenyReason } from "../../../../access/deny-reason.js";
import { projectsKey } from "../../../../api/queries/code/projects.js";
import { workspacesKey } from "../../../../api/queries/code/workspaces.js";
import { TypedConfirmButton } from "../../../../components/confirmations.js";

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
  const days = workspace.settings.retention_days;
  return (
    <TypedConfirmButton
      label="Archive workspace"
      mutation={{
        run: (_input, headers) =>
          client.workspaces.archive({ params: { agent_id: agent.id } }, { headers }),
        refresh: [agentsKey, workspacesKey, projectsKey],
        successMessage: () => `The workspace of ${agent.name} is archived`,
      }}
      title={`Archive the workspace of ${agent.name}?`}
      reason={refusal("agent:workspace:write") ?? archiveReason(agent, workspace)}
      consequences={[
        "Uncommitted changes are committed first. All commits are kept.",
        "The folder is removed, with ignored files and any git directory the agent created, and so is the agent’s home.",
        `It can be restored for ${countOf(days, "day")}; longer, while its commits are in no branch.`,
      ]}
      word={agent.name}
      wordName="agent's name"
      verb="Archive"
    />
  );
}

function archiveReason(agent: Agent, workspace: Workspace): string | undefined {
  if (workspace.status === "archived") return "The workspace is archived already.";
  if (workspace.status !== "active") return `The workspace is ${workspace.status}.`;
  return agent.status === "running" ? "The agent is running; stop its run first." : undefined;
}

function TerminateAgent({ agent, refusal }: { agent: Agent; refusal: DenyReason }): ReactElement {
  const navigate = useNavigate();
  return (
    <TypedConfirmButton
      label="Terminate agent"
      mutation={{
        run: (_input, headers) =>
          client.agents.delete({ params: { agent_id: agent.id } }, { headers }),
        refresh: [agentsKey, workspacesKey, projectsKey, organizationsKey],
        successMessage: () => `${agent.name} is terminated`,
        onDone: () => void navigate(paths.project(agent.project_id)),
      }}
      title={`Terminate ${agent.name}?`}
      reason={
        refusal("agent:delete") ??
        (agent.status === "terminated" ? "The agent is terminated already." : undefined)
      }
      consequences={[
        "Its run is stopped, and its API keys stop working.",
        "Its workspace is archived: commits are kept; the folder with its ignored files and the home are removed.",
        "It leaves the organization's members. Its runs still count in the usage.",
        "The agent cannot be restored; its name is free for another one.",
      ]}
      word={agent.name}
      wordName="agent's name"
      verb="Terminate"
    />
  );
}
