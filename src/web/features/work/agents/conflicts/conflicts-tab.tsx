import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { Merge } from "#shared/api/code/merges.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { useCursorPages } from "../../../../api/cursor-pages.js";
import { paths } from "../../../../paths/paths.js";
import { buttonClass } from "../../../../ui/actions/button.js";
import { Card, Details } from "../../../../ui/layout/card.js";
import { CommitId } from "../../../../ui/feedback/copy-button.js";
import { PageSteps } from "../../../../ui/tables/list-view.js";
import { formatNumber } from "../../../../ui/text/number.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { EmptyState } from "../../../../ui/feedback/states.js";
import { Await } from "../../../../components/await.js";
import { mergeList } from "../../../../api/queries/code/workspaces.js";
import { operationLabels } from "../../../code/parts/merges/resolution-labels.js";
import { mergeRows } from "../../../code/parts/merges/merge-rows.js";

export function ConflictsTab({ workspace }: { workspace: Workspace }): ReactElement {
  const { query: merges, rows, place } = useCursorPages(mergeList(workspace.agent_id));
  return (
    <div className="flex flex-col gap-4">
      <p>
        <span className="text-muted">Total Conflicts Resolved: </span>
        <span className="font-semibold tabular-nums">
          {formatNumber(workspace.counts.conflicts_resolved)}
        </span>
      </p>
      <Await query={merges}>
        {(_data) =>
          rows.length === 0 ? (
            <EmptyState title="No merges yet">
              Merge into <PlainText value={workspace.base_branch} />, under Commits, brings this
              workspace's work there and records here what conflicted and how it was decided.
            </EmptyState>
          ) : (
            <div className="flex flex-col gap-3">
              {rows.map((merge) => (
                <MergeCard key={merge.id} agentId={workspace.agent_id} merge={merge} />
              ))}
              <PageSteps label="Pages of merges" {...place} />
            </div>
          )
        }
      </Await>
    </div>
  );
}

function MergeCard({ agentId, merge }: { agentId: string; merge: Merge }): ReactElement {
  return (
    <Card
      level={3}
      title={
        <span className="flex items-center gap-1.5">
          <span className="font-normal text-muted">{operationLabels[merge.kind]}:</span>
          {merge.merge_commit_sha === null ? "None" : <CommitId sha={merge.merge_commit_sha} />}
        </span>
      }
      actions={
        merge.id !== null && (
          <Link
            {...paths.merge(agentId, merge.id)}
            aria-label={`View Details of ${merge.kind} ${merge.merge_commit_sha?.slice(0, 12) ?? ""}`}
            className={buttonClass("secondary", "sm")}
          >
            View Details
          </Link>
        )
      }
    >
      <Details rows={mergeRows(merge)} />
    </Card>
  );
}
