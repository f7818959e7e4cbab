import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { Merge, MergeChanges } from "#shared/api/code/merges.js";
import { useLoaded } from "../../../../api/use-loaded.js";
import { paths } from "../../../../paths/paths.js";
import { Badge } from "../../../../ui/feedback/badge.js";
import { Button } from "../../../../ui/actions/button.js";
import { Card, type Rows, Details } from "../../../../ui/layout/card.js";
import { CommitId } from "../../../../ui/feedback/copy-button.js";
import { Page } from "../../../../ui/layout/page.js";
import { countOf } from "../../../../ui/text/number.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { EmptyState } from "../../../../ui/feedback/states.js";
import { Time } from "../../../../ui/text/time.js";
import { agentQuery } from "../../../../api/queries/work/agents.js";
import { PermissionHint } from "../../../../access/permission-hint.js";
import { useDenyReason } from "../../../../access/permissions.js";
import { Await } from "../../../../components/await.js";
import { CrumbLink } from "../../../../components/crumb-link.js";
import { mergeRows } from "../../parts/merges/merge-rows.js";
import { useWorkspaceCrumbs } from "../../parts/workspaces/crumbs.js";
import { MergeLink } from "./merge-link.js";
import {
  mergeChangesQuery,
  mergeQuery,
  mergesOfQuery,
} from "../../../../api/queries/code/workspaces.js";
import { mergeName, mergeTitle } from "../../parts/merges/merge-title.js";
import { operationLabels } from "../../parts/merges/resolution-labels.js";
import { DriverFiles } from "../../parts/merges/driver-files.js";
import { DiffBrowser } from "../../parts/diffs/diff-browser.js";
import { ResolutionList } from "./resolution-list.js";

const route = getRouteApi("/app/agents/$agentId/workspace/merges/$mergeId");

export function MergePage(): ReactElement {
  const { agentId, mergeId } = route.useParams();
  const navigate = useNavigate();
  const { data: merge } = useLoaded(mergeQuery(agentId, mergeId));
  const madeFrom = useQuery(mergesOfQuery(agentId, mergeId));
  const { data: agent } = useQuery(agentQuery(agentId));
  const refusal = useDenyReason(agent?.organization_id);
  const crumbs = [
    ...useWorkspaceCrumbs(agentId, true),
    <CrumbLink key="conflicts" {...paths.agentConflicts(agentId)}>
      Merge Conflicts
    </CrumbLink>,
  ];
  const sha = merge.merge_commit_sha;
  const reason = refusal("agent:workspace:merge") ?? undoReason(merge);
  // The files are listed below, with their outcomes.
  const { Files: _files, ...rows } = mergeRows(merge);
  const changes = useQuery(mergeChangesQuery(agentId, mergeId));
  return (
    <Page
      title={mergeTitle(merge)}
      crumb={mergeName(merge)}
      crumbs={crumbs}
      width="full"
      actions={
        <>
          {merge.reverted_by !== null && <Badge tone="warn">Reverted</Badge>}
          <Button
            icon="retry"
            disabledReason={reason}
            onClick={() => void navigate(paths.revert(agentId, mergeId))}
          >
            Revert this {merge.kind}…
          </Button>
        </>
      }
    >
      <PermissionHint reason={reason} />
      <Card title="Details">
        <Details
          rows={{
            ...(sha === null ? {} : { [operationLabels[merge.kind]]: <CommitId sha={sha} /> }),
            ...rows,
            ...(changes.data ? { Author: authorOf(changes.data.author) } : {}),
            ...relatedMergeRows(agentId, merge, madeFrom.data ?? []),
          }}
        />
      </Card>
      {merge.resolutions.length > 0 && (
        <ResolutionList
          agentId={agentId}
          mergeId={mergeId}
          merge={merge}
          projectId={agent?.project_id}
          reason={reason}
        />
      )}
      <DriverFiles agentId={agentId} files={merge.driver_files} />
      <Await query={changes} what="The changes">
        {(data) => <ChangesOf changes={data} merge={merge} />}
      </Await>
    </Page>
  );
}

function authorOf({ type, name }: MergeChanges["author"]): ReactElement {
  return (
    <span className="flex flex-wrap items-center gap-2">
      <PlainText value={name} />
      {type === "agent" && <Badge>Agent</Badge>}
      {type === "service_account" && <Badge>Service account</Badge>}
    </span>
  );
}

/** The merged commits, and the change of the target branch. */
function ChangesOf({ changes, merge }: { changes: MergeChanges; merge: Merge }): ReactElement {
  const { commits, has_more_commits, diff } = changes;
  return (
    <>
      {commits.length > 0 && (
        <Card title={`${countOf(commits.length, "commit")}${has_more_commits ? " and more" : ""}`}>
          <ul className="flex flex-col divide-y divide-line">
            {commits.map(({ sha, subject, author_name, at }) => (
              <li key={sha} className="flex flex-wrap items-baseline justify-between gap-x-4 py-2">
                <span className="min-w-0">
                  <PlainText value={subject} className="font-medium" />{" "}
                  <span className="text-[13px] text-muted">
                    by <PlainText value={author_name} />, <Time value={at} />
                  </span>
                </span>
                <CommitId sha={sha} />
              </li>
            ))}
          </ul>
        </Card>
      )}
      {diff.stats.files_changed === 0 ? (
        <EmptyState title="No files changed">
          {merge.target_branch} already had this content.
        </EmptyState>
      ) : (
        <DiffBrowser diff={diff} verb={`changed on ${merge.target_branch}`} />
      )}
    </>
  );
}

/** Returns why a merge cannot be reverted or restored by any user; undefined if it can. */
function undoReason({ kind, reverted_by }: Merge): string | undefined {
  if (kind === "sync") {
    return "A sync changed the workspace alone: change its files there and commit them.";
  }
  return reverted_by === null ? undefined : "It is reverted; revert its revert to have it back.";
}

const ofLabels = { merge: "", sync: "", revert: "Reverts", restore: "Restores from" } as const;

/** Related operations: the merge that this one reverts or restores, and those derived from it. */
function relatedMergeRows(
  agentId: string,
  { kind, of_merge, reverted_by }: Merge,
  madeFrom: readonly Merge[],
): Rows {
  const linksTo = (which: Merge["kind"]): Rows[string] | null => {
    const ids = madeFrom.flatMap((merge) =>
      merge.kind === which && merge.id !== null && merge.id !== reverted_by ? [merge.id] : [],
    );
    if (ids.length === 0) return null;
    return (
      <span className="flex flex-col gap-1">
        {ids.map((id) => (
          <MergeLink key={id} agentId={agentId} mergeId={id} />
        ))}
      </span>
    );
  };
  const [restores, reverts] = [linksTo("restore"), linksTo("revert")];
  return {
    ...(of_merge === null
      ? {}
      : { [ofLabels[kind]]: <MergeLink agentId={agentId} mergeId={of_merge} /> }),
    ...(reverted_by === null
      ? {}
      : { "Reverted by": <MergeLink agentId={agentId} mergeId={reverted_by} /> }),
    // Undone by reverts of their own.
    ...(reverts === null ? {} : { "Reverted before": reverts }),
    ...(restores === null ? {} : { "Restored from it": restores }),
  };
}
