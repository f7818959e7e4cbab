import { getRouteApi, useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { useLoaded } from "../../../api/use-loaded.js";
import { paths } from "../../../paths/paths.js";
import { mergeTitle } from "../parts/merges/merge-title.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { mergeQuery } from "../../../api/queries/code/workspaces.js";
import { OperationPage } from "./operation-page.js";
import { useMergeCrumbs } from "./merge-crumbs.js";

const route = getRouteApi("/app/agents/$agentId/workspace/merges/$mergeId/revert");

/** Reverts a merge: the reverted changes, and their conflicts with later commits. */
export function RevertPage(): ReactElement {
  const { agentId, mergeId } = route.useParams();
  const { strategy } = route.useSearch();
  const navigate = useNavigate();
  const crumbs = useMergeCrumbs(agentId, mergeId);
  const { data: merge } = useLoaded(mergeQuery(agentId, mergeId));
  return (
    <OperationPage
      agentId={agentId}
      operation={{ act: "revert", merge_id: mergeId }}
      title={`Revert: ${mergeTitle(merge)}`}
      description={
        merge && (
          <>
            A new commit on <PlainText value={merge.target_branch} /> undoes the {merge.kind} of{" "}
            <PlainText value={merge.source_branch} />. Later changes are kept.
          </>
        )
      }
      crumbs={crumbs}
      strategy={strategy}
      onStrategy={(next) =>
        void navigate({ ...paths.revert(agentId, mergeId, { strategy: next }), replace: true })
      }
    />
  );
}
