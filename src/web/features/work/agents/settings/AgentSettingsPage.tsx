import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { hasServerFolder } from "#shared/code/workspace-choices.js";
import { workspaceQuery } from "../../../../api/queries/code/workspaces.js";
import { AgentFrame, type AgentPart } from "../agent-frame.js";
import { TaskCard } from "./task-card.js";
import { SandboxCard } from "./sandbox-card.js";
import { AgentBudgets } from "../../../organization/parts/usage/budgets-card.js";
import { ArchivedNotice } from "../archived-notice.js";
import { AgentDangerZone } from "./agent-danger-zone.js";
import { HomeCard } from "./home-card.js";
import { SettingsTab } from "./settings-tab.js";

const route = getRouteApi("/app/agents/$agentId/settings");

/** An agent's task, the settings of its workspace, its limits, and its end. */
export function AgentSettingsPage(): ReactElement {
  const { agentId } = route.useParams();
  return (
    <AgentFrame agentId={agentId} tab="settings">
      {(part) => <Settings {...part} />}
    </AgentFrame>
  );
}

function Settings({ agent, refusal }: AgentPart): ReactElement {
  const { data: workspace, isPending } = useQuery(workspaceQuery(agent.id));
  return (
    <>
      {workspace && <ArchivedNotice agent={agent} workspace={workspace} refusal={refusal} />}
      <TaskCard
        agent={agent}
        disabledReason={
          refusal("agent:write") ??
          (agent.status === "terminated" ? "This agent has been terminated." : undefined)
        }
      />
      {/* A form starts from saved values; the key remounts it for another agent. */}
      {workspace && <SettingsTab key={agent.id} workspace={workspace} refusal={refusal} />}
      {(agent.workspace_type === null || hasServerFolder(agent.workspace_type)) && (
        <SandboxCard workspaceType={agent.workspace_type} />
      )}
      <HomeCard agent={agent} refusal={refusal} />
      <AgentBudgets agent={agent} refusal={refusal} />
      {!isPending && (
        <AgentDangerZone agent={agent} workspace={workspace ?? null} refusal={refusal} />
      )}
    </>
  );
}
