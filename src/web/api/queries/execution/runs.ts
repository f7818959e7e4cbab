import { queryOptions } from "@tanstack/react-query";
import type { Run, RunEgress } from "#shared/api/execution/runs.js";
import { client } from "../../client.js";
import type { CursorList } from "../../cursor-pages.js";
import { agentsKey } from "../work/agents.js";

/** Filter and sort order of an agent's runs. */
export interface RunSearch {
  /** Only runs with this status. */
  run?: Run["status"] | undefined;
  /** Oldest first; the default is newest first. */
  sort?: "started" | undefined;
}

/** Its key extends the agents' key, so that each run event refetches the run and its queue position. */
export const runQuery = (runId: string) =>
  queryOptions({
    queryKey: [...agentsKey, "run", runId],
    queryFn: async ({ signal }) =>
      (await client.runs.get({ params: { run_id: runId } }, { signal })).data,
  });

/** The agent's newest run; null without any. Polls while it works, in case that events are late. */
export const latestRunQuery = (agentId: string) =>
  queryOptions({
    queryKey: [...agentsKey, agentId, "latest-run"],
    queryFn: async ({ signal }) => {
      const query = { limit: 1 };
      const { data } = await client.runs.list({ params: { agent_id: agentId }, query }, { signal });
      return data[0] ?? null;
    },
    refetchInterval: ({ state }) => (state.data && state.data.ended_at === null ? 2000 : false),
  });

/** An agent's runs, with cursor pagination. */
export const runList = (agentId: string, { run, sort }: RunSearch): CursorList<Run> => ({
  queryKey: [...agentsKey, agentId, "runs", run, sort],
  read: (cursor, signal) => {
    const order = sort === undefined ? undefined : ("oldest" as const);
    const query = { limit: 25, status: run, order, cursor };
    return client.runs.list({ params: { agent_id: agentId }, query }, { signal });
  },
});

/** The connections of a run with a restricted network; read again when their number has changed. */
export const egressList = ({ id, egress }: Run): CursorList<RunEgress> => ({
  queryKey: [...agentsKey, "run", id, "egress", egress.allowed + egress.denied],
  read: (cursor, signal) =>
    client.runs.egress({ params: { run_id: id }, query: { limit: 25, cursor } }, { signal }),
});

/** The programs that a run can start with a prompt. */
export const presetsQuery = queryOptions({
  queryKey: ["presets"],
  queryFn: async ({ signal }) => (await client.presets.list({ query: {} }, { signal })).data,
});

/** Limits of commands, and the state of the cluster. */
export const sandboxQuery = queryOptions({
  queryKey: ["sandbox"],
  queryFn: async ({ signal }) => (await client.sandbox.get({}, { signal })).data,
});
