import { getRouteApi } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { AgentFrame } from "../agent-frame.js";
import { PredictedConflicts } from "../conflicts/predicted-conflicts.js";
import { DeferredRender } from "../../../../ui/layout/deferred-render.js";
import { CommitsTab } from "./commits-tab.js";
import { WorkspaceDetails } from "./workspace-details.js";
import { WorkspaceOf } from "../workspace-of.js";

const route = getRouteApi("/app/agents/$agentId/workspace");

/** An agent's workspace: its details and commits. */
export function WorkspacePage(): ReactElement {
  const { agentId } = route.useParams();
  return (
    <AgentFrame agentId={agentId} tab="commits">
      {({ agent, refusal }) => (
        <WorkspaceOf agent={agent} refusal={refusal}>
          {(workspace) => (
            <>
              <WorkspaceDetails workspace={workspace} />
              <DeferredRender>
                <PredictedConflicts workspace={workspace} />
                <CommitsTab workspace={workspace} refusal={refusal} />
              </DeferredRender>
            </>
          )}
        </WorkspaceOf>
      )}
    </AgentFrame>
  );
}
