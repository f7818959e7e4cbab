import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { asApiError } from "../../api/client.js";
import { paths } from "../../paths/paths.js";
import { PlainText, visible } from "../../ui/plain-text.js";
import { Skeleton } from "../../ui/states.js";
import { Page } from "../../ui/page.js";
import { QueryError } from "../../components/query-error.js";
import { useWorkspaceCrumbs } from "../../components/workspaces/crumbs.js";
import { workspaceQuery } from "../../api/queries/workspaces.js";
import { OperationPage } from "./operation-page.js";
import type { Operation } from "../../api/operations.js";
import { previewQuery } from "../../api/queries/merging.js";
import { TargetField } from "./target-field.js";

const route = getRouteApi("/app/agents/$agentId/workspace/merge");

/** Merging a workspace into a branch: what comes in, what conflicts and how it is decided. */
export function NewMergePage(): ReactElement {
  const { agentId } = route.useParams();
  const search = route.useSearch();
  const navigate = useNavigate();
  const crumbs = useWorkspaceCrumbs(agentId, true);
  const workspace = useQuery(workspaceQuery(agentId));
  const target = search.target ?? workspace.data?.base_branch;
  const act: Operation = { act: "merge", target_branch: target };
  const { error } = useQuery({
    ...previewQuery(agentId, act, search.strategy),
    enabled: target !== undefined,
  });
  if (workspace.data === undefined || target === undefined) {
    return (
      <Page title="Merge" crumbs={crumbs}>
        {workspace.isError ? (
          <QueryError
            error={workspace.error}
            onRetry={() => void workspace.refetch()}
            what="The workspace"
          />
        ) : (
          <Skeleton />
        )}
      </Page>
    );
  }
  const { data } = workspace;
  const go = (next: typeof search): void =>
    void navigate({ ...paths.newMerge(agentId, { ...search, ...next }), replace: true });
  return (
    <OperationPage
      agentId={agentId}
      act={act}
      title={`Merge into ${visible(target)}`}
      description={
        <>
          From <PlainText value={data.branch_name} />.{" "}
          {data.settings.auto_checkpoint
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
          projectId={data.project_id}
          value={target}
          onChange={(next) => go({ target: next })}
          error={error === null ? undefined : asApiError(error).field("target_branch")}
        />
      }
    />
  );
}
