import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import type { Branch, Project } from "#shared/api/code/projects.js";
import { client, everyPage, nextCursor } from "../../client.js";
import { withVersion } from "../../incoming.js";
import type { CursorList } from "../../cursor-pages.js";

export const projectsKey = ["projects"] as const;

/**
 * Projects that the viewer is deleting. Their page stays unchanged until the viewer leaves it, although
 * the deletion event arrives earlier.
 */
export const beingDeleted = new Set<unknown>();

/** Whether an import, fetch or push is in progress. */
export function isTransferring({ status, upstream }: Project): boolean {
  return status === "importing" || ["fetching", "pushing"].includes(upstream?.status ?? "idle");
}

/** Polls once a second while an import, fetch or push is in progress; otherwise not at all. */
function pollInterval(projects: readonly Project[]): number | false {
  return projects.some(isTransferring) ? 1000 : false;
}

export const projectsQuery = (orgId: string) =>
  queryOptions({
    queryKey: [...projectsKey, "list", orgId],
    queryFn: ({ signal }) =>
      everyPage((query) =>
        client.projects.list({ query: { ...query, organization_id: orgId } }, { signal }),
      ),
    refetchInterval: ({ state }) => pollInterval(state.data ?? []),
  });

export const projectQuery = (projectId: string) =>
  queryOptions({
    queryKey: [...projectsKey, projectId],
    queryFn: async ({ signal }) =>
      withVersion(await client.projects.get({ params: { project_id: projectId } }, { signal })),
    structuralSharing: false,
    refetchInterval: ({ state }) => pollInterval(state.data ? [state.data] : []),
  });

export const branchList = (projectId: string): CursorList<Branch> => ({
  queryKey: [...projectsKey, projectId, "branches"],
  read: (cursor, signal) =>
    client.projects.branches(
      { params: { project_id: projectId }, query: { limit: 20, cursor } },
      { signal },
    ),
  refetchInterval: 15_000,
});

export const workspacePagesQuery = (projectId: string) =>
  infiniteQueryOptions({
    queryKey: [...projectsKey, projectId, "workspaces"],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ signal, pageParam }) => {
      const query = { limit: 100, ...(pageParam === undefined ? {} : { cursor: pageParam }) };
      const { data, headers } = await client.workspaces.ofProject(
        { params: { project_id: projectId }, query },
        { signal },
      );
      return { rows: data, next: nextCursor(headers) };
    },
    getNextPageParam: ({ next }) => next,
  });

/** A project's newest merges, in short. */
export const recentMergesQuery = (projectId: string) =>
  queryOptions({
    queryKey: [...projectsKey, projectId, "recent-merges"],
    queryFn: async ({ signal }) =>
      (
        await client.workspaces.mergesOfProject(
          { params: { project_id: projectId }, query: { limit: 5 } },
          { signal },
        )
      ).data,
  });

export const projectMergePagesQuery = (projectId: string) =>
  infiniteQueryOptions({
    queryKey: [...projectsKey, projectId, "merges"],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ signal, pageParam }) => {
      const query = { limit: 100, ...(pageParam === undefined ? {} : { cursor: pageParam }) };
      const { data, headers } = await client.workspaces.mergesOfProject(
        { params: { project_id: projectId }, query },
        { signal },
      );
      return { rows: data, next: nextCursor(headers) };
    },
    getNextPageParam: ({ next }) => next,
  });
