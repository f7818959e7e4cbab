import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { changesQuery } from "../../../../api/queries/code/workspaces.js";
import { Await } from "../../../../components/await.js";
import { EmptyState } from "../../../../ui/feedback/states.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { DiffBrowser } from "../../../code/parts/diffs/diff-browser.js";

interface WorkspaceChangesProps {
  workspace: Workspace;
  /** Whether they are shown beside something else. */
  isNarrow?: boolean;
  /** Whether the agent is at work. */
  isUnderWay?: boolean;
}

/** How the files of a workspace differ from its base branch, with uncommitted changes. */
export function WorkspaceChanges({
  workspace,
  isNarrow = false,
  isUnderWay = false,
}: WorkspaceChangesProps): ReactElement {
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
          <EmptyState title={isUnderWay ? "No changes yet" : "No changes"}>
            The files of this workspace are those of {base}.
          </EmptyState>
        ) : (
          <>
            <p className="text-muted">Compared with {base}, including uncommitted changes.</p>
            <DiffBrowser diff={diff} verb="changed" isNarrow={isNarrow} />
          </>
        )
      }
    </Await>
  );
}
