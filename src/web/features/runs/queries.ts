import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { client, nextCursor } from "../../api.js";
import { agentsKey } from "../agents/queries.js";
import type { RunSearch } from "./run-search.js";

/** Below the agents' key, so that each event of a run has its page, and its place in the queue, read anew. */
export const runQuery = (runId: string) =>
  queryOptions({
    queryKey: [...agentsKey, "run", runId],
    queryFn: async ({ signal }) =>
      (await client.runs.get({ params: { run_id: runId } }, { signal })).data,
  });

/** An agent's runs, page after page. */
export const runPagesQuery = (agentId: string, { run, sort }: RunSearch) =>
  infiniteQueryOptions({
    queryKey: [...agentsKey, agentId, "runs", run, sort],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ signal, pageParam }) => {
      const { data, headers } = await client.runs.list(
        {
          params: { agent_id: agentId },
          query: {
            limit: 25,
            ...(run === undefined ? {} : { status: run }),
            ...(sort === undefined ? {} : { order: "oldest" as const }),
            ...(pageParam === undefined ? {} : { cursor: pageParam }),
          },
        },
        { signal },
      );
      return { rows: data, next: nextCursor(headers) };
    },
    getNextPageParam: ({ next }) => next,
  });

/** What commands are held to; changes only when the server starts anew. */
export const sandboxQuery = queryOptions({
  queryKey: ["sandbox"],
  queryFn: async ({ signal }) => (await client.sandbox.get({}, { signal })).data,
});
