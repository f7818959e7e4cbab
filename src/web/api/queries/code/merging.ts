import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import type { Choice, MergeStrategy } from "#shared/api/code/merges.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { client } from "../../client.js";
import { workspacesKey } from "./workspaces.js";
import { type Operation, previewRequest } from "../../operations.js";

/** Preview of an operation. Refetched on every commit and merge; not cached after use. */
export const previewQuery = (
  agentId: string,
  operation: Operation,
  strategy: MergeStrategy | undefined,
  resolutions?: Choice[],
) =>
  queryOptions({
    queryKey: [...workspacesKey, agentId, "preview", operation, strategy, resolutions],
    queryFn: async ({ signal }) => {
      const body = previewRequest(operation, strategy, resolutions);
      return (await client.previews.create({ params: { agent_id: agentId }, body }, { signal }))
        .data;
    },
    placeholderData: keepPreviousData,
    gcTime: 0,
    retry: false,
  });

/** Branch names to suggest as merge targets: those of the first page. */
export const targetsQuery = (projectId: string) =>
  queryOptions({
    queryKey: ["projects", projectId, "merge-targets"],
    queryFn: async ({ signal }) => {
      const { data } = await client.projects.branches(
        { params: { project_id: projectId }, query: { limit: 200 } },
        { signal },
      );
      return data.flatMap(({ name, agent_id }) => (agent_id === null ? name : []));
    },
  });

/** The merge of a workspace into its base branch, by the workspace's strategy. */
export const firstMerge = ({ base_branch }: Workspace): Operation => ({
  act: "merge",
  target_branch: base_branch,
});

/** Its preview, kept from the loading of the page until its step is shown. */
export const firstMergeQuery = (workspace: Workspace) =>
  queryOptions({
    ...previewQuery(workspace.agent_id, firstMerge(workspace), undefined),
    gcTime: 60_000,
  });
