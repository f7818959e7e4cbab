import { queryOptions } from "@tanstack/react-query";
import type { EnvironmentBuild } from "#shared/api/execution/environments.js";
import { client } from "../../client.js";
import type { CursorList } from "../../cursor-pages.js";
import { withVersion } from "../../incoming.js";
import { projectsKey } from "../code/projects.js";

export const environmentQuery = (projectId: string) =>
  queryOptions({
    queryKey: [...projectsKey, projectId, "environment"],
    queryFn: async ({ signal }) =>
      withVersion(await client.environments.get({ params: { project_id: projectId } }, { signal })),
    structuralSharing: false,
  });

/** The builds of a project's environment, with cursor pagination. */
export const buildList = (projectId: string): CursorList<EnvironmentBuild> => ({
  queryKey: [...projectsKey, projectId, "environment-builds"],
  read: (cursor, signal) =>
    client.environments.builds(
      { params: { project_id: projectId }, query: { limit: 10, cursor } },
      { signal },
    ),
});
