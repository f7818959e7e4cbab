import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import type { Task, TaskStatus } from "#shared/api/work/tasks.js";
import { client, nextCursor } from "../../client.js";

export const tasksKey = ["tasks"] as const;
export const taskListsKey = [...tasksKey, "list"] as const;
/** The tasks that are open on a page, and the comparison of their attempts. */
export const openTasksKey = [...tasksKey, "one"] as const;

/** Changes are counted after the first answer, without an event. */
const countingMs = 2000;

export const taskQuery = (taskId: string) =>
  queryOptions({
    queryKey: [...openTasksKey, taskId],
    queryFn: async ({ signal }) =>
      (await client.tasks.get({ params: { task_id: taskId } }, { signal })).data,
    refetchInterval: ({ state }) => (state.data && isCounting(state.data) ? countingMs : false),
  });

const isCounting = ({ attempts }: Task): boolean =>
  attempts.some(({ head_commit, changes }) => head_commit !== null && changes === null);

/** The task that an agent works on; null for an agent without one. Lists of tasks find agents by name. */
export const taskOfAgentQuery = (projectId: string, agentId: string, agentName: string) =>
  queryOptions({
    queryKey: [...openTasksKey, "of-agent", agentId],
    queryFn: async ({ signal }) => {
      const { data } = await client.tasks.list(
        { params: { project_id: projectId }, query: { q: agentName.slice(0, 200), limit: 100 } },
        { signal },
      );
      const isOfAgent = ({ attempts }: Task): boolean =>
        attempts.some(({ agent_id }) => agent_id === agentId);
      return data.find(isOfAgent) ?? null;
    },
  });

export const comparisonQuery = (taskId: string) =>
  queryOptions({
    queryKey: [...openTasksKey, taskId, "comparison"],
    queryFn: async ({ signal }) =>
      (await client.tasks.compare({ params: { task_id: taskId } }, { signal })).data,
  });

/** What is lost if a task is canceled. */
export const taskLossQuery = (taskId: string) =>
  queryOptions({
    queryKey: [...openTasksKey, taskId, "loss"],
    queryFn: async ({ signal }) =>
      (
        await client.tasks.delete(
          { params: { task_id: taskId }, query: { preview: "true" } },
          { signal },
        )
      ).data,
    gcTime: 0,
  });

export interface TaskFilter {
  status?: TaskStatus | "unfinished" | "finished" | undefined;
  mine?: true | undefined;
  label?: string | undefined;
  q?: string | undefined;
}

/** Whose tasks are listed. */
export type TaskPlace = { orgId: string } | { projectId: string };

const rowsOfPage = 50;

/** Tasks of an organization or a project, the most pressing first, finished ones the newest first. */
export const taskPagesQuery = (place: TaskPlace, filter: TaskFilter) =>
  infiniteQueryOptions({
    queryKey: [...taskListsKey, place, filter],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ signal, pageParam }) => {
      const { status, mine, label, q } = filter;
      const isFinished = status === "finished" || status === "done" || status === "cancelled";
      const query = {
        limit: rowsOfPage,
        sort: isFinished ? ("updated_at" as const) : ("urgency" as const),
        status: status === "finished" ? "done,cancelled" : status,
        mine: mine && ("true" as const),
        label,
        q,
        cursor: pageParam,
      };
      const { data, headers } =
        "orgId" in place
          ? await client.tasks.listAll({ params: { org_id: place.orgId }, query }, { signal })
          : await client.tasks.list({ params: { project_id: place.projectId }, query }, { signal });
      return { rows: data, next: nextCursor(headers) };
    },
    getNextPageParam: ({ next }) => next,
    // The rows stay while a filter changes; those of another organization do not.
    placeholderData: (shown, before) =>
      JSON.stringify(before?.queryKey[2]) === JSON.stringify(place) ? shown : undefined,
  });
