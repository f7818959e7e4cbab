import { useInfiniteQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import type { Workspace } from "#shared/api/workspaces.js";
import { useAction } from "../../action.js";
import { client } from "../../api.js";
import { Button } from "../../ui/button.js";
import { formatNumber } from "../../ui/number.js";
import { EmptyState, Skeleton } from "../../ui/states.js";
import { PermissionHint } from "../organizations/permission-hint.js";
import type { Refusal } from "../organizations/permissions.js";
import { projectsKey } from "../projects/queries.js";
import { QueryError } from "../shell/query-state.js";
import { CommitCard } from "./commit-card.js";
import { MergeDialog } from "./merge-dialog.js";
import { commitPagesQuery, workspacesKey } from "./queries.js";
import { ValidationDialog } from "./validation-dialog.js";
import { sayCommit } from "./say-commit.js";

/** Why nobody may commit or merge now, whatever his permissions. */
function stateReason(status: Workspace["status"]): string | undefined {
  return status === "active" ? undefined : `The workspace is ${status}; this is for active ones.`;
}

/** Why nobody may commit here; to a remote workspace one pushes. */
function commitReason({ status, workspace_type }: Workspace): string | undefined {
  return workspace_type === "remote"
    ? "The workspace is remote; its agent commits where it works, and pushes."
    : stateReason(status);
}

interface CommitsTabProps {
  workspace: Workspace;
  refusal: Refusal;
}

export function CommitsTab({ workspace, refusal }: CommitsTabProps): ReactElement {
  const agentId = workspace.agent_id;
  const [open, setOpen] = useState<"validation" | "merge" | null>(null);
  const writeReason = refusal("agent:workspace:write");
  const mergeReason = refusal("agent:workspace:merge");
  const notActive = stateReason(workspace.status);
  const noCommit = commitReason(workspace);

  const checkpoint = useAction({
    run: (_: undefined, headers) =>
      client.workspaces.createCommit(
        { params: { agent_id: agentId }, body: { commit_type: "checkpoint" } },
        { headers },
      ),
    refresh: [workspacesKey, projectsKey],
    say: sayCommit,
    toastErrors: true,
  });
  const handleClose = (): void => setOpen(null);

  return (
    <div className="flex flex-col gap-4">
      <PermissionHint reason={writeReason ?? mergeReason} />
      <div className="flex flex-wrap items-center justify-between gap-3">
        <p>
          <span className="text-muted">Total Commits: </span>
          <span className="font-semibold tabular-nums">
            {formatNumber(workspace.counts.commits)}
          </span>
        </p>
        <div className="flex flex-wrap gap-2">
          <Button
            pending={checkpoint.pending}
            disabledReason={writeReason ?? noCommit}
            onClick={() => checkpoint.submit(undefined)}
          >
            Checkpoint
          </Button>
          <Button disabledReason={writeReason ?? noCommit} onClick={() => setOpen("validation")}>
            Validation commit…
          </Button>
          <Button
            variant="primary"
            icon="merge"
            disabledReason={mergeReason ?? notActive}
            onClick={() => setOpen("merge")}
          >
            Merge into {workspace.base_branch}
          </Button>
        </div>
      </div>
      <CommitList workspace={workspace} />
      <ValidationDialog isOpen={open === "validation"} onClose={handleClose} agentId={agentId} />
      <MergeDialog isOpen={open === "merge"} onClose={handleClose} workspace={workspace} />
    </div>
  );
}

function CommitList({ workspace }: { workspace: Workspace }): ReactElement {
  const { agent_id: agentId, workspace_type: type } = workspace;
  const commits = useInfiniteQuery(commitPagesQuery(agentId));
  const rows = commits.data?.pages.flatMap((page) => page.rows) ?? [];
  if (commits.isPending) return <Skeleton />;
  if (commits.isError && rows.length === 0) {
    return <QueryError error={commits.error} onRetry={() => void commits.refetch()} />;
  }
  if (rows.length === 0) {
    return (
      <EmptyState title="No commits yet">
        {type === "remote"
          ? "What is pushed to its branch is listed here."
          : "When there is something in the working directory, Checkpoint commits it."}
      </EmptyState>
    );
  }
  return (
    <div className="flex flex-col gap-3">
      {rows.map((commit) => (
        <CommitCard key={commit.commit_sha} agentId={agentId} commit={commit} />
      ))}
      {commits.hasNextPage && (
        <div className="text-center">
          <Button pending={commits.isFetchingNextPage} onClick={() => void commits.fetchNextPage()}>
            Show more
          </Button>
        </div>
      )}
    </div>
  );
}
