import { queryOptions } from "@tanstack/react-query";
import { client } from "../../client.js";
import { taskListsKey } from "./tasks.js";

/** Rows of each kind in the palette. */
const limit = 8;

/** Tasks of an organization with the words of a typed text, or similar ones. */
export const foundTasksQuery = (orgId: string, q: string) =>
  queryOptions({
    queryKey: [...taskListsKey, "found", orgId, q],
    queryFn: async ({ signal }) =>
      (
        await client.tasks.listAll(
          { params: { org_id: orgId }, query: { q, limit, sort: "urgency" } },
          { signal },
        )
      ).data,
    staleTime: 10_000,
  });

/** Files of a project's default branch with the words of a typed text in their paths, or similar ones. */
export const foundFilesQuery = (projectId: string, q: string) =>
  queryOptions({
    queryKey: ["files", projectId, q],
    queryFn: async ({ signal }) =>
      (
        await client.projects.files(
          { params: { project_id: projectId }, query: { q, limit } },
          { signal },
        )
      ).data,
    staleTime: 30_000,
  });
