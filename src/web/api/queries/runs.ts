import { queryOptions } from "@tanstack/react-query";
import type { Run } from "#shared/api/runs.js";
import { client } from "../client.js";
import type { CursorList } from "../cursor-pages.js";
import { agentsKey } from "./agents.js";

/** How an agent's runs are listed. */
export interface RunSearch {
  /** Those of one status alone. */
  run?: Run["status"] | undefined;
  /** The oldest first; else the newest. */
  sort?: "started" | undefined;
}

/** Below the agents' key, so that each event of a run has its page, and its place in the queue, read anew. */
export const runQuery = (runId: string) =>
  queryOptions({
    queryKey: [...agentsKey, "run", runId],
    queryFn: async ({ signal }) =>
      (await client.runs.get({ params: { run_id: runId } }, { signal })).data,
  });

/** An agent's runs, page by page. */
export const runList = (agentId: string, { run, sort }: RunSearch): CursorList<Run> => ({
  queryKey: [...agentsKey, agentId, "runs", run, sort],
  read: (cursor, signal) => {
    const order = sort === undefined ? undefined : ("oldest" as const);
    const query = { limit: 25, status: run, order, cursor };
    return client.runs.list({ params: { agent_id: agentId }, query }, { signal });
  },
});

/** What commands are held to; changes only when the server starts anew. */
export const sandboxQuery = queryOptions({
  queryKey: ["sandbox"],
  queryFn: async ({ signal }) => (await client.sandbox.get({}, { signal })).data,
});
