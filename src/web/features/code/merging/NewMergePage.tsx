import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { useLoaded } from "../../../api/use-loaded.js";
import { asApiError } from "../../../api/client.js";
import { paths } from "../../../paths/paths.js";
import { PlainText, visible } from "../../../ui/text/plain-text.js";
import { useWorkspaceCrumbs } from "../parts/workspaces/crumbs.js";
import { workspaceQuery } from "../../../api/queries/code/workspaces.js";
import { OperationPage } from "./operation-page.js";
import type { Operation } from "../../../api/operations.js";
import { previewQuery } from "../../../api/queries/code/merging.js";
import { TargetField } from "./target-field.js";

const route = getRouteApi("/app/agents/$agentId/workspace/merge");

/** Merges a workspace into a branch: preview, conflicts and their resolution. */
export function NewMergePage(): ReactElement {
  const { agentId } = route.useParams();
  const search = route.useSearch();
  const navigate = useNavigate();
  const crumbs = useWorkspaceCrumbs(agentId, true);
  const { data: workspace } = useLoaded(workspaceQuery(agentId));
  const target = search.target ?? workspace.base_branch;
  const operation: Operation = { act: "merge", target_branch: target };
  const { error } = useQuery(previewQuery(agentId, operation, search.strategy));
  const go = (next: typeof search): void =>
    void navigate({ ...paths.newMerge(agentId, { ...search, ...next }), replace: true });
  return (
    <OperationPage
      agentId={agentId}
      operation={operation}
      title={`Merge into ${visible(target)}`}
      description={
        <>
          From <PlainText value={workspace.branch_name} />.{" "}
          {workspace.settings.auto_checkpoint
            ? "Unsaved work is checkpointed first."
            : "Unsaved work has to be committed first."}
        </>
      }
      crumbs={crumbs}
      strategy={search.strategy}
      onStrategy={(strategy) => go({ strategy })}
      choices={
        <TargetField
          key={target}
          projectId={workspace.project_id}
          value={target}
          onChange={(next) => go({ target: next })}
          error={error === null ? undefined : asApiError(error).field("target_branch")}
        />
      }
    />
  );
}
