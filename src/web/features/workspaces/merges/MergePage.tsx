import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { Merge } from "#shared/api/projects/merges.js";
import { useLoaded } from "../../../api/use-loaded.js";
import { paths } from "../../../paths/paths.js";
import { Badge } from "../../../ui/feedback/badge.js";
import { Button } from "../../../ui/actions/button.js";
import { Card, type Rows, Details } from "../../../ui/layout/card.js";
import { CommitId } from "../../../ui/actions/copy-button.js";
import { Page } from "../../../ui/layout/page.js";
import { EmptyState } from "../../../ui/feedback/states.js";
import { agentQuery } from "../../../api/queries/agents.js";
import { PermissionHint } from "../../../access/permission-hint.js";
import { useDenyReason } from "../../../access/permissions.js";
import { CrumbLink } from "../../../components/crumb-link.js";
import { mergeRows } from "./conflicts-tab.js";
import { useWorkspaceCrumbs } from "../../../components/workspaces/crumbs.js";
import { MergeLink } from "./merge-link.js";
import { mergeQuery, mergesOfQuery } from "../../../api/queries/workspaces.js";
import { operationLabels } from "../../../components/merges/resolution-labels.js";
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
    <CrumbLink key="conflicts" {...paths.workspace(agentId, { tab: "conflicts" })}>
      Merge Conflicts
    </CrumbLink>,
  ];
  const sha = merge.merge_commit_sha;
  const reason = refusal("agent:workspace:merge") ?? undoReason(merge);
  // The files are listed below, with their outcomes.
  const { Files: _files, ...rows } = mergeRows(merge);
  return (
    <Page
      title={`${operationLabels[merge.kind]} ${sha?.slice(0, 12) ?? "details"}`}
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
            ...relatedMergeRows(agentId, merge, madeFrom.data ?? []),
          }}
        />
      </Card>
      {merge.resolutions.length === 0 ? (
        <EmptyState title="No conflicts">
          Git merged this cleanly; nothing had to be decided.
        </EmptyState>
      ) : (
        <ResolutionList
          agentId={agentId}
          mergeId={mergeId}
          merge={merge}
          projectId={agent?.project_id}
          reason={reason}
        />
      )}
    </Page>
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
    const ids = madeFrom.flatMap((one) =>
      one.kind === which && one.id !== null && one.id !== reverted_by ? [one.id] : [],
    );
    if (ids.length === 0) return null;
    return (
      <span className="flex flex-col gap-1">
        {ids.map((one) => (
          <MergeLink key={one} agentId={agentId} mergeId={one} />
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
