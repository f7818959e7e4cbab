import { getRouteApi } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { AgentFrame } from "../agent-frame.js";
import { PredictedConflicts } from "./predicted-conflicts.js";
import { ConflictsTab } from "./conflicts-tab.js";
import { WorkspaceOf } from "../workspace-of.js";

const route = getRouteApi("/app/agents/$agentId/conflicts");

/** The conflicts of an agent's work: those ahead, and those of its merges. */
export function AgentConflictsPage(): ReactElement {
  const { agentId } = route.useParams();
  return (
    <AgentFrame agentId={agentId} tab="conflicts">
      {({ agent, refusal }) => (
        <WorkspaceOf agent={agent} refusal={refusal}>
          {(workspace) => (
            <>
              <PredictedConflicts workspace={workspace} />
              <ConflictsTab workspace={workspace} />
            </>
          )}
        </WorkspaceOf>
      )}
    </AgentFrame>
  );
}
