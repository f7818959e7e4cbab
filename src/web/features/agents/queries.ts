import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { client, everyPage, nextCursor } from "../../api.js";

export const agentsKey = ["agents"] as const;

export interface AgentFilter {
  organization_id?: string;
  project_id?: string;
  status?: "idle" | "running" | "terminated";
}

/** Page after page; agents are many. Looked at again every ten seconds, since they run by themselves. */
export const agentPagesQuery = (filter: AgentFilter) =>
  infiniteQueryOptions({
    queryKey: [...agentsKey, "pages", filter],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ signal, pageParam }) => {
      const cursor = pageParam === undefined ? {} : { cursor: pageParam };
      const { data, headers } = await client.agents.list(
        { query: { ...filter, ...cursor } },
        { signal },
      );
      return { rows: data, next: nextCursor(headers) };
    },
    getNextPageParam: ({ next }) => next,
    refetchInterval: 10_000,
  });

/** All of a project's, to choose a parent from. */
export const projectAgentsQuery = (projectId: string) =>
  queryOptions({
    queryKey: [...agentsKey, "of-project", projectId],
    queryFn: ({ signal }) =>
      everyPage((query) =>
        client.agents.list({ query: { ...query, project_id: projectId } }, { signal }),
      ),
  });

export const agentQuery = (agentId: string) =>
  queryOptions({
    queryKey: [...agentsKey, agentId],
    queryFn: async ({ signal }) =>
      (await client.agents.get({ params: { agent_id: agentId } }, { signal })).data,
  });
