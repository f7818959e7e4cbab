import type { ReactElement } from "react";
import type { Commit } from "#shared/api/code/commits.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { recordedCommitTypes } from "#shared/code/workspace-choices.js";
import { commitSearchOf } from "../../../../paths/address-search.js";
import { useCursorPages } from "../../../../api/cursor-pages.js";
import { useFilters } from "../../../../lists/list-search.js";
import { PageSteps } from "../../../../ui/tables/list-view.js";
import { Segments } from "../../../../ui/fields/radio.js";
import { EmptyState } from "../../../../ui/feedback/states.js";
import { Waiting } from "../../../../components/await.js";
import { CommitCard } from "../../../code/parts/workspaces/commit-card.js";
import { commitList } from "../../../../api/queries/code/workspaces.js";

const filters = (["all", ...recordedCommitTypes] as const).map((value) => ({
  value,
  label: value.charAt(0).toUpperCase() + value.slice(1),
}));

const folderText = "Checkpoint commits the changes in the working directory.";
const emptyTexts: Record<Workspace["workspace_type"], string> = {
  local: folderText,
  docker: folderText,
  remote: "Commits pushed to its branch are listed here.",
  kubernetes: "Commits that its runs make in the cluster are listed here.",
};

/** A workspace's commits, newest first, with pagination and a type filter. */
export function CommitList({ workspace }: { workspace: Workspace }): ReactElement {
  const [{ type }, change] = useFilters(commitSearchOf);
  return (
    <div className="flex flex-col gap-3">
      {(workspace.counts.commits > 0 || type !== undefined) && (
        <Segments
          legend="Type of commits"
          hideLegend
          value={type ?? "all"}
          onChange={(next) => change({ type: next === "all" ? undefined : next })}
          options={filters}
        />
      )}
      <Commits workspace={workspace} type={type} />
    </div>
  );
}

function Commits({
  workspace,
  type,
}: {
  workspace: Workspace;
  type: Commit["commit_type"] | undefined;
}): ReactElement {
  const { agent_id: agentId, workspace_type } = workspace;
  const { query: commits, rows, place } = useCursorPages(commitList(agentId, type));
  if (commits.data === undefined) return <Waiting query={commits} />;
  if (rows.length === 0) {
    if (type !== undefined) {
      return (
        <EmptyState title={`No commits of the type ${type}`}>
          The workspace has others: choose All to see them.
        </EmptyState>
      );
    }
    return <EmptyState title="No commits yet">{emptyTexts[workspace_type]}</EmptyState>;
  }
  return (
    <>
      {rows.map((commit) => (
        <CommitCard key={commit.commit_sha} agentId={agentId} commit={commit} />
      ))}
      <PageSteps label="Pages of commits" {...place} />
    </>
  );
}
