import { getRouteApi } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { WorkspaceChanges } from "../../parts/agents/workspace-changes.js";
import { AgentFrame } from "../agent-frame.js";
import { WorkspaceOf } from "../workspace-of.js";

const route = getRouteApi("/app/agents/$agentId/changes");

/** How an agent's files differ from the base branch, with uncommitted changes. */
export function AgentChangesPage(): ReactElement {
  const { agentId } = route.useParams();
  return (
    <AgentFrame agentId={agentId} tab="changes" width="full">
      {({ agent, refusal }) => (
        <WorkspaceOf agent={agent} refusal={refusal}>
          {(workspace) => <WorkspaceChanges workspace={workspace} />}
        </WorkspaceOf>
      )}
    </AgentFrame>
  );
}
