import { queryOptions } from "@tanstack/react-query";
import type { Commit } from "#shared/api/code/commits.js";
import type { Merge } from "#shared/api/code/merges.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { client } from "../../client.js";
import type { CursorList } from "../../cursor-pages.js";
import { withVersion } from "../../incoming.js";

export const workspacesKey = ["workspaces"] as const;

const cardsOfPage = 25;

/** Transient states, which end within seconds. */
const transientStates: ReadonlySet<Workspace["status"]> = new Set(["creating", "merging"]);

export const workspaceQuery = (agentId: string) =>
  queryOptions({
    queryKey: [...workspacesKey, agentId, "details"],
    queryFn: async ({ signal }) =>
      withVersion(await client.workspaces.get({ params: { agent_id: agentId } }, { signal })),
    structuralSharing: false,
    refetchInterval: ({ state }) =>
      state.data && transientStates.has(state.data.status) ? 1000 : 15_000,
  });

export const changesQuery = (agentId: string) =>
  queryOptions({
    queryKey: [...workspacesKey, agentId, "changes"],
    queryFn: async ({ signal }) =>
      (await client.workspaces.changes({ params: { agent_id: agentId } }, { signal })).data,
    refetchInterval: 15_000,
  });

export const commitList = (
  agentId: string,
  type: Commit["commit_type"] | undefined,
): CursorList<Commit> => ({
  queryKey: [...workspacesKey, agentId, "commits", type],
  read: (cursor, signal) =>
    client.workspaces.commits(
      { params: { agent_id: agentId }, query: { limit: cardsOfPage, commit_type: type, cursor } },
      { signal },
    ),
});

/** A commit never changes. */
export const commitQuery = (agentId: string, sha: string) =>
  queryOptions({
    queryKey: [...workspacesKey, agentId, "commit", sha],
    queryFn: async ({ signal }) =>
      (await client.workspaces.commit({ params: { agent_id: agentId, sha } }, { signal })).data,
    staleTime: Number.POSITIVE_INFINITY,
  });

export const diffQuery = (agentId: string, sha: string) =>
  queryOptions({
    queryKey: [...workspacesKey, agentId, "diff", sha],
    queryFn: async ({ signal }) =>
      (await client.workspaces.diff({ params: { agent_id: agentId, sha } }, { signal })).data,
    staleTime: Number.POSITIVE_INFINITY,
  });

export const mergeList = (agentId: string): CursorList<Merge> => ({
  queryKey: [...workspacesKey, agentId, "merges"],
  read: (cursor, signal) =>
    client.workspaces.merges(
      { params: { agent_id: agentId }, query: { limit: cardsOfPage, cursor } },
      { signal },
    ),
});

/** Reverts and restores of a merge, newest first; the first page. */
export const mergesOfQuery = (agentId: string, mergeId: string) =>
  queryOptions({
    queryKey: [...workspacesKey, agentId, "merges-of", mergeId],
    queryFn: async ({ signal }) =>
      (
        await client.workspaces.merges(
          { params: { agent_id: agentId }, query: { of_merge: mergeId } },
          { signal },
        )
      ).data,
  });

export const mergeQuery = (agentId: string, mergeId: string) =>
  queryOptions({
    queryKey: [...workspacesKey, agentId, "merge", mergeId],
    queryFn: async ({ signal }) =>
      (
        await client.workspaces.merge(
          { params: { agent_id: agentId, merge_id: mergeId } },
          { signal },
        )
      ).data,
  });

/** The changes of a merge never change. */
export const mergeChangesQuery = (agentId: string, mergeId: string) =>
  queryOptions({
    queryKey: [...workspacesKey, agentId, "merge-changes", mergeId],
    staleTime: Infinity,
    queryFn: async ({ signal }) =>
      (
        await client.workspaces.mergeChanges(
          { params: { agent_id: agentId, merge_id: mergeId } },
          { signal },
        )
      ).data,
  });

/** The conflicts of a merge never change. */
export const mergeConflictsQuery = (agentId: string, mergeId: string) =>
  queryOptions({
    queryKey: [...workspacesKey, agentId, "merge-conflicts", mergeId],
    queryFn: async ({ signal }) =>
      (
        await client.workspaces.mergeConflicts(
          { params: { agent_id: agentId, merge_id: mergeId } },
          { signal },
        )
      ).data,
    staleTime: Number.POSITIVE_INFINITY,
  });
