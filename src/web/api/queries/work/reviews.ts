import { queryOptions } from "@tanstack/react-query";
import type { ChangedFile, Changes, Draft } from "#shared/api/work/reviews.js";
import { ApiError, client, everyPage } from "../../client.js";
import { openTasksKey } from "./tasks.js";

/** What the changes of a task are compared with. */
export type ChangesSince = "base" | "last_review";

/** The changes of a task stay as they were read until the viewer wants newer ones. */
export const taskChangesKey = (taskId: string) => ["reviews", "changes", taskId] as const;
export const threadsKey = (taskId: string) => [...openTasksKey, taskId, "threads"] as const;

export interface ChangesOf {
  taskId: string;
  attemptId: string;
  since: ChangesSince;
  isWithoutSpace: boolean;
}

export const taskChangesQuery = ({ taskId, attemptId, since, isWithoutSpace }: ChangesOf) =>
  queryOptions({
    queryKey: [...taskChangesKey(taskId), attemptId, since, isWithoutSpace],
    queryFn: async ({ signal }) =>
      (
        await client.reviews.changes(
          {
            params: { task_id: taskId },
            query: {
              since,
              attempt_id: attemptId,
              patches: "first" as const,
              ...(isWithoutSpace && { ignore_whitespace: "true" as const }),
            },
          },
          { signal },
        )
      ).data,
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
    // The page stays while another comparison is read.
    placeholderData: (shown, before) => (before?.queryKey[3] === attemptId ? shown : undefined),
  });

interface PatchesOf {
  /** The list that the files are of. */
  changes: Changes;
  isWithoutSpace: boolean;
  /** The first file, and how many follow it in the list. */
  path: string;
  count: number;
}

/** The patches of neighboring files of a list, which two commits determine. */
export const filePatchesQuery = ({ changes, isWithoutSpace, path, count }: PatchesOf) => {
  const { task_id, attempt_id, commit_sha, base_sha, since } = changes;
  const compared = [since.kind, since.commit_sha, base_sha, commit_sha];
  return queryOptions({
    queryKey: ["reviews", "patches", task_id, attempt_id, compared, isWithoutSpace, path, count],
    queryFn: async ({ signal }): Promise<ReadonlyMap<string, ChangedFile>> => {
      const { data } = await client.reviews.changes(
        {
          params: { task_id },
          query: {
            attempt_id,
            commit_sha,
            since: since.kind === "commit" ? since.commit_sha : since.kind,
            path,
            files: count,
            ...(isWithoutSpace && { ignore_whitespace: "true" as const }),
          },
        },
        { signal },
      );
      const isSame = data.base_sha === base_sha && data.since.commit_sha === since.commit_sha;
      if (!isSame) throw new Error("The comparison has changed meanwhile; reload the page.");
      return new Map(data.files.map((file) => [file.path, file]));
    },
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
    // A map of files is no plain object that could be compared.
    structuralSharing: false,
  });
};

/** Lines of the changes that contain a text. */
export const changesSearchQuery = (changes: Changes, isWithoutSpace: boolean, q: string) => {
  const { task_id, attempt_id, commit_sha, base_sha, since } = changes;
  const compared = [since.kind, since.commit_sha, base_sha, commit_sha];
  return queryOptions({
    queryKey: ["reviews", "search", task_id, attempt_id, compared, isWithoutSpace, q],
    queryFn: async ({ signal }) =>
      (
        await client.reviews.search(
          {
            params: { task_id },
            query: {
              q,
              attempt_id,
              commit_sha,
              since: since.kind === "commit" ? since.commit_sha : since.kind,
              ...(isWithoutSpace && { ignore_whitespace: "true" as const }),
            },
          },
          { signal },
        )
      ).data,
    staleTime: Number.POSITIVE_INFINITY,
    placeholderData: (shown) => shown,
  });
};

/** The checks of an attempt's change, in review or in the merge queue. */
export const taskChecksQuery = (taskId: string, attemptId: string) =>
  queryOptions({
    queryKey: [...openTasksKey, taskId, "checks", attemptId],
    queryFn: async ({ signal }) =>
      (
        await client.reviews.checks(
          { params: { task_id: taskId }, query: { attempt_id: attemptId } },
          { signal },
        )
      ).data,
    // A check ends without a change of the task.
    refetchInterval: ({ state }) =>
      state.data?.some(({ status }) => status === "queued" || status === "running") ? 3000 : false,
  });

/** All lines of a file in a commit, which never change, with its image if it is one. */
export const fileLinesQuery = (
  taskId: string,
  attemptId: string,
  commitSha: string,
  path: string,
) =>
  queryOptions({
    queryKey: ["reviews", "file", taskId, commitSha, path],
    queryFn: async ({ signal }) => {
      const lines: string[] = [];
      for (;;) {
        const { data } = await client.reviews.file(
          {
            params: { task_id: taskId },
            query: {
              path,
              commit_sha: commitSha,
              attempt_id: attemptId,
              start_line: lines.length + 1,
            },
          },
          { signal },
        );
        lines.push(...data.lines);
        const isRead = data.lines.length === 0 || lines.length >= (data.total_lines ?? 0);
        if (isRead) return { lines, image: data.image };
      }
    },
    staleTime: Number.POSITIVE_INFINITY,
  });

/** The conversations of a task at their places in the newest commit. */
export const threadsQuery = (taskId: string) =>
  queryOptions({
    queryKey: threadsKey(taskId),
    queryFn: ({ signal }) =>
      everyPage((query) => client.threads.list({ params: { task_id: taskId }, query }, { signal })),
  });

export const reviewsQuery = (taskId: string) =>
  queryOptions({
    queryKey: [...openTasksKey, taskId, "reviews"],
    queryFn: async ({ signal }) =>
      (
        await client.reviews.list(
          { params: { task_id: taskId }, query: { limit: 100 } },
          { signal },
        )
      ).data,
  });

/** The viewer's unpublished review as the server had it when the page opened; null without one. */
export const reviewDraftQuery = (taskId: string) =>
  queryOptions({
    queryKey: ["reviews", "draft", taskId],
    queryFn: async ({ signal }): Promise<Draft | null> => {
      try {
        return (await client.reviews.getDraft({ params: { task_id: taskId } }, { signal })).data;
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return null;
        throw error;
      }
    },
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    refetchOnWindowFocus: false,
  });
