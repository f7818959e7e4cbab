import { useQuery } from "@tanstack/react-query";
import { type ReactElement, type ReactNode, Suspense, useState } from "react";
import type { Agent } from "#shared/api/work/agents.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { PermissionHint } from "../../../access/permission-hint.js";
import type { DenyReason } from "../../../access/deny-reason.js";
import { asApiError } from "../../../api/client.js";
import { workspaceQuery } from "../../../api/queries/code/workspaces.js";
import { CreateWorkspaceDialog } from "../parts/agents/create-workspace-button.js";
import { Waiting } from "../../../components/await.js";
import { Button } from "../../../ui/actions/button.js";
import { EmptyState } from "../../../ui/feedback/states.js";
import { ArchivedNotice } from "./archived-notice.js";

interface WorkspaceOfProps {
  agent: Agent;
  refusal: DenyReason;
  children: (workspace: Workspace) => ReactNode;
}

/** Shows an agent's workspace; where it has none, the button that creates one. */
export function WorkspaceOf({ agent, refusal, children }: WorkspaceOfProps): ReactElement {
  const [isCreating, setCreating] = useState(false);
  return (
    <>
      <Shown agent={agent} refusal={refusal} onCreate={() => setCreating(true)}>
        {children}
      </Shown>
      {/* Rendered here, so that it stays open while the content above fetches the workspace again. */}
      {isCreating && (
        <Suspense>
          <CreateWorkspaceDialog
            isOpen
            onClose={() => setCreating(false)}
            agentId={agent.id}
            agentName={agent.name}
          />
        </Suspense>
      )}
    </>
  );
}

function Shown({
  agent,
  refusal,
  onCreate,
  children,
}: WorkspaceOfProps & { onCreate: () => void }): ReactElement {
  const workspace = useQuery(workspaceQuery(agent.id));
  const code = workspace.error === null ? undefined : asApiError(workspace.error).code;
  if (code === "workspace_missing" || code === "workspace_expired") {
    const reason =
      refusal("agent:workspace:write") ??
      (agent.status === "terminated" ? "This agent has been terminated." : undefined);
    return (
      <EmptyState
        title={
          code === "workspace_expired"
            ? "This agent's workspace was archived, and its time is over"
            : "This agent has no workspace yet"
        }
        action={
          <Button variant="primary" disabledReason={reason} onClick={onCreate}>
            Create workspace
          </Button>
        }
      >
        A workspace is a branch of the agent's own, with or without a folder on this server. Its
        commits stay there until they are merged.
        <div className="mt-3">
          <PermissionHint reason={reason} />
        </div>
      </EmptyState>
    );
  }
  if (workspace.data === undefined) return <Waiting query={workspace} what="The workspace" />;
  return (
    <>
      <ArchivedNotice agent={agent} workspace={workspace.data} refusal={refusal} />
      {children(workspace.data)}
    </>
  );
}
