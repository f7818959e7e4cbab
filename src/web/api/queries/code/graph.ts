import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { client } from "../../client.js";
import { projectsKey } from "./projects.js";

/** Number of commits that a graph shows at first. */
export const shownCommits = 50;

export const graphQuery = (projectId: string, limit: number) =>
  queryOptions({
    queryKey: [...projectsKey, projectId, "graph", limit],
    queryFn: async ({ signal }) =>
      (await client.graph.get({ params: { project_id: projectId }, query: { limit } }, { signal }))
        .data,
    // Keep the current rows until more have loaded.
    placeholderData: keepPreviousData,
  });
