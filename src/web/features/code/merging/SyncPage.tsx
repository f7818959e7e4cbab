import { getRouteApi, useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { useLoaded } from "../../../api/use-loaded.js";
import { paths } from "../../../paths/paths.js";
import { PlainText, visible } from "../../../ui/text/plain-text.js";
import { BaseDistance } from "../parts/workspaces/base-distance.js";
import { useWorkspaceCrumbs } from "../parts/workspaces/crumbs.js";
import { workspaceQuery } from "../../../api/queries/code/workspaces.js";
import { OperationPage } from "./operation-page.js";

const route = getRouteApi("/app/agents/$agentId/workspace/sync");

/** Merges the base branch's new commits into the workspace. */
export function SyncPage(): ReactElement {
  const { agentId } = route.useParams();
  const { strategy } = route.useSearch();
  const navigate = useNavigate();
  const crumbs = useWorkspaceCrumbs(agentId, true);
  const { data: workspace } = useLoaded(workspaceQuery(agentId));
  return (
    <OperationPage
      agentId={agentId}
      operation={{ act: "sync" }}
      title={`Sync from ${visible(workspace.base_branch)}`}
      description={
        workspace && (
          <>
            Into <PlainText value={workspace.branch_name} /> and its folder.{" "}
            <BaseDistance workspace={workspace} />.
          </>
        )
      }
      crumbs={crumbs}
      strategy={strategy}
      onStrategy={(next) =>
        void navigate({ ...paths.sync(agentId, { strategy: next }), replace: true })
      }
    />
  );
}
