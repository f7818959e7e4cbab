import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { client, everyPage, nextCursor } from "../../client.js";
import { projectsKey } from "./projects.js";

/** The open merge requests of a project, in the order of each branch's queue. */
export const mergeQueueQuery = (projectId: string) =>
  queryOptions({
    queryKey: [...projectsKey, projectId, "merge-queue"],
    queryFn: ({ signal }) =>
      everyPage((query) =>
        client.mergeQueue.list({ params: { project_id: projectId }, query }, { signal }),
      ),
  });

/** The ended merge requests of a project, newest first. */
export const endedRequestPagesQuery = (projectId: string) =>
  infiniteQueryOptions({
    queryKey: [...projectsKey, projectId, "ended-merge-requests"],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ signal, pageParam }) => {
      const cursor = pageParam === undefined ? {} : { cursor: pageParam };
      const query = { status: "ended" as const, limit: 20, ...cursor };
      const { data, headers } = await client.mergeQueue.list(
        { params: { project_id: projectId }, query },
        { signal },
      );
      return { rows: data, next: nextCursor(headers) };
    },
    getNextPageParam: ({ next }) => next,
  });

export const mergeRequestQuery = (requestId: string) =>
  queryOptions({
    queryKey: [...projectsKey, "merge-request", requestId],
    queryFn: async ({ signal }) =>
      (await client.mergeQueue.get({ params: { merge_request_id: requestId } }, { signal })).data,
  });

/** The checks that a project's protected branches can require. */
export const checksQuery = (projectId: string) =>
  queryOptions({
    queryKey: [...projectsKey, projectId, "checks"],
    queryFn: ({ signal }) =>
      everyPage((query) =>
        client.mergeQueue.checks({ params: { project_id: projectId }, query }, { signal }),
      ),
  });
