import { queryOptions } from "@tanstack/react-query";
import type { TimedRun } from "#shared/api/execution/runs.js";
import { client, nextCursor } from "../../client.js";
import { agentsKey } from "./agents.js";

/** Keeps charts readable and pages small. */
const timelinePages = 3;

/** Default period of timelines; hours. */
export const defaultTimelineHours = 24;

/** Runs of the last hours, of one agent or all; polled every 15 seconds. */
export const timelineQuery = (orgId: string, hours: number, agentId?: string) =>
  queryOptions({
    queryKey: [...agentsKey, "timeline", orgId, hours, agentId],
    queryFn: async ({ signal }) => {
      const since = new Date(Date.now() - hours * 3_600_000).toISOString();
      const rows: TimedRun[] = [];
      let cursor: string | undefined;
      for (let page = 0; page < timelinePages; page += 1) {
        const { data, headers } = await client.runs.timeline(
          {
            params: { org_id: orgId },
            query: { limit: 200, since, agent_id: agentId, cursor },
          },
          { signal },
        );
        rows.push(...data);
        cursor = nextCursor(headers);
        if (cursor === undefined) break;
      }
      return { rows, isCut: cursor !== undefined };
    },
    refetchInterval: 15_000,
  });
