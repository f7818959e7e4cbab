import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { Agent } from "#shared/api/work/agents.js";
import type { Preview } from "#shared/api/code/previews.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { needsQueue, protectionOf } from "#shared/code/protection.js";
import { useDenyReason } from "../../../access/permissions.js";
import { asApiError } from "../../../api/client.js";
import { operationMessage, runOperation } from "../../../api/operations.js";
import { firstMerge, firstMergeQuery } from "../../../api/queries/code/merging.js";
import { projectsKey } from "../../../api/queries/code/projects.js";
import { workspacesKey } from "../../../api/queries/code/workspaces.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { LineCounts } from "../parts/board/line-counts.js";
import { paths } from "../../../paths/paths.js";
import { Button, buttonClass } from "../../../ui/actions/button.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { countOf } from "../../../ui/text/number.js";
import { PlainText, visible } from "../../../ui/text/plain-text.js";

interface MergeStepProps {
  agent: Agent;
  project: Project;
  workspace: Workspace;
  onDone: () => void;
}

/**
 * Merges the agent's branch in place. A merge that needs decisions or the merge queue is left to its
 * own page.
 */
export function MergeStep({ agent, project, workspace, onDone }: MergeStepProps): ReactElement {
  const target = workspace.base_branch;
  const denied = useDenyReason(agent.organization_id)("agent:workspace:merge");
  const preview = useQuery(firstMergeQuery(workspace));
  const isQueued = needsQueue(protectionOf(project.protected_branches, target));
  const merge = useApiMutation({
    run: (seen: Preview, headers) => {
      const deciding = { strategy: seen.strategy };
      return runOperation(
        agent.id,
        firstMerge(workspace),
        { deciding, seen, queue: false },
        headers,
      );
    },
    refresh: [workspacesKey, projectsKey],
    successMessage: operationMessage,
    onDone,
  });
  const seen = preview.data;
  const needsPage =
    isQueued || (seen !== undefined && seen.strategy === "manual" && seen.conflicts.length > 0);
  const error = merge.error ?? preview.error;
  return (
    <div className="flex flex-col gap-4">
      {seen?.up_to_date ? (
        <Alert tone="info">
          Nothing of <PlainText value={seen.source_branch} /> is missing in{" "}
          <PlainText value={target} />: make another commit first.
        </Alert>
      ) : (
        <Alert tone={seen === undefined || needsPage ? "info" : "good"}>
          {seen === undefined ? "Comparing the branches…" : <Summary preview={seen} />}
        </Alert>
      )}
      {isQueued && (
        <p>
          <PlainText value={target} /> is protected: it changes through the merge queue.
        </p>
      )}
      {error && (
        <Alert live>
          {asApiError(error).message}{" "}
          <button
            type="button"
            className="font-medium underline"
            onClick={() => {
              merge.reset();
              void preview.refetch();
            }}
          >
            Compare again
          </button>
        </Alert>
      )}
      <div className="flex flex-wrap gap-2">
        {!needsPage && (
          <Button
            variant="primary"
            icon="merge"
            pending={merge.pending}
            disabledReason={
              denied ??
              (seen === undefined
                ? "The branches are being compared."
                : seen.up_to_date
                  ? "Nothing to merge."
                  : undefined)
            }
            onClick={() => seen && merge.submit(seen)}
          >
            Merge into {visible(target)}
          </Button>
        )}
        <Link
          {...paths.newMerge(agent.id)}
          className={buttonClass(needsPage ? "primary" : "secondary")}
        >
          {needsPage ? "Open the merge" : "Show the changes"}
        </Link>
      </div>
    </div>
  );
}

function Summary({ preview }: { preview: Preview }): ReactElement {
  const { files_changed: files, additions, deletions } = preview.diff.stats;
  const conflicts = preview.conflicts.length;
  return (
    <>
      {countOf(files, "file")} would change on <PlainText value={preview.target_branch} />{" "}
      <LineCounts additions={additions} deletions={deletions} />
      {conflicts === 0
        ? ", without conflicts."
        : preview.strategy === "manual"
          ? `, after ${countOf(conflicts, "decision")}.`
          : `; ${countOf(conflicts, "conflict")} would be resolved by ${preview.strategy}.`}
    </>
  );
}
