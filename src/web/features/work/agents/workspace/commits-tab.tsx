import { useNavigate } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { useApiMutation } from "../../../../api/use-mutation.js";
import { client } from "../../../../api/client.js";
import { paths } from "../../../../paths/paths.js";
import { Button } from "../../../../ui/actions/button.js";
import { formatNumber } from "../../../../ui/text/number.js";
import { visible } from "../../../../ui/text/plain-text.js";
import { PermissionHint } from "../../../../access/permission-hint.js";
import type { DenyReason } from "../../../../access/deny-reason.js";
import { projectsKey } from "../../../../api/queries/code/projects.js";
import { CommitList } from "./commit-list.js";
import { workspacesKey } from "../../../../api/queries/code/workspaces.js";
import { ValidationDialog } from "./validation-dialog.js";
import { commitMessage } from "../../../code/parts/workspaces/commit-message.js";

/** Returns why the workspace's state rules out commits and merges by any user. */
function stateReason(status: Workspace["status"]): string | undefined {
  return status === "active" ? undefined : `The workspace is ${status}; this is for active ones.`;
}

/** Returns why no one can commit here; a workspace without a folder receives commits from elsewhere. */
function commitReason({ status, workspace_type }: Workspace): string | undefined {
  if (workspace_type === "remote") {
    return "The workspace is remote; its agent commits there and pushes.";
  }
  if (workspace_type === "kubernetes") {
    return "The workspace has no folder here; its runs in the cluster commit their changes.";
  }
  return stateReason(status);
}

interface CommitsTabProps {
  workspace: Workspace;
  refusal: DenyReason;
}

export function CommitsTab({ workspace, refusal }: CommitsTabProps): ReactElement {
  const agentId = workspace.agent_id;
  const navigate = useNavigate();
  const [isValidating, setValidating] = useState(false);
  const writeReason = refusal("agent:workspace:write");
  const mergeReason = refusal("agent:workspace:merge");
  const notActive = stateReason(workspace.status);
  const noCommit = commitReason(workspace);

  const checkpoint = useApiMutation({
    run: (_: undefined, headers) =>
      client.workspaces.createCommit(
        { params: { agent_id: agentId }, body: { commit_type: "checkpoint" } },
        { headers },
      ),
    refresh: [workspacesKey, projectsKey],
    successMessage: commitMessage,
    toastErrors: true,
  });
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
          <Button disabledReason={writeReason ?? noCommit} onClick={() => setValidating(true)}>
            Validation commit…
          </Button>
          <Button
            icon="switch"
            disabledReason={writeReason ?? notActive}
            className="max-w-full"
            onClick={() => void navigate(paths.sync(agentId))}
          >
            <span className="truncate">Sync from {visible(workspace.base_branch)}</span>
          </Button>
          <Button
            variant="primary"
            icon="merge"
            disabledReason={mergeReason ?? notActive}
            className="max-w-full"
            onClick={() => void navigate(paths.newMerge(agentId))}
          >
            <span className="truncate">Merge into {visible(workspace.base_branch)}</span>
          </Button>
        </div>
      </div>
      <CommitList workspace={workspace} />
      <ValidationDialog
        isOpen={isValidating}
        onClose={() => setValidating(false)}
        agentId={agentId}
      />
    </div>
  );
}
