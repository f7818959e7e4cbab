import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { Workspace } from "#shared/api/projects/workspaces.js";
import { changesQuery } from "../../api/queries/projects/workspaces.js";
import { AgentFrame } from "../../components/agents/agent-frame.js";
import { Await } from "../../components/await.js";
import { DiffBrowser } from "../../components/diffs/diff-browser.js";
import { EmptyState } from "../../ui/feedback/states.js";
import { PlainText } from "../../ui/text/plain-text.js";
import { WorkspaceOf } from "./workspace-of.js";

const route = getRouteApi("/app/agents/$agentId/changes");

/** How an agent's files differ from the base branch, with uncommitted changes. */
export function AgentChangesPage(): ReactElement {
  const { agentId } = route.useParams();
  return (
    <AgentFrame agentId={agentId} tab="changes" width="full">
      {({ agent, refusal }) => (
        <WorkspaceOf agent={agent} refusal={refusal}>
          {(workspace) => <Changes workspace={workspace} />}
        </WorkspaceOf>
      )}
    </AgentFrame>
  );
}

function Changes({ workspace }: { workspace: Workspace }): ReactElement {
  const changes = useQuery(changesQuery(workspace.agent_id));
  const base = <PlainText value={workspace.base_branch} className="font-mono text-[13px]" />;
  if (workspace.status === "archived") {
    return (
      <EmptyState title="The workspace is archived">
        Its commits are under Commits. Restore it to compare its files.
      </EmptyState>
    );
  }
  return (
    <Await query={changes} what="The changes">
      {(diff) =>
        diff.files.length === 0 ? (
          <EmptyState title="No changes">
            The files of this workspace are those of {base}.
          </EmptyState>
        ) : (
          <>
            <p className="text-muted">Compared with {base}, including uncommitted changes.</p>
            <DiffBrowser diff={diff} verb="changed" />
          </>
        )
      }
    </Await>
  );
}
