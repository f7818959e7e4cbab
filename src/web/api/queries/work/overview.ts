import { queryOptions } from "@tanstack/react-query";
import { client, everyPage } from "../../client.js";
import { agentsKey } from "./agents.js";
import { organizationsKey } from "../organization/organizations.js";

/** What waits for the viewer, and results: refreshed by events of the organization. */
export const overviewKey = (orgId: string) => [...organizationsKey, orgId, "overview"] as const;

/** Budgets and keys run out without an event. */
const attentionMs = 60_000;
/** Last lines of runs change without an event. */
const linesMs = 4_000;
/** Comparisons of branches take longer than a request waits, after a push of many commits. */
const countingMs = 15_000;

export const attentionQuery = (orgId: string) =>
  queryOptions({
    queryKey: [...overviewKey(orgId), "attention"],
    queryFn: ({ signal }) =>
      everyPage((query) =>
        client.overview.attention({ params: { org_id: orgId }, query }, { signal }),
      ),
    refetchInterval: attentionMs,
  });

export interface WorkFilter {
  project_id?: string;
  running?: "true" | "false";
}

/** The agents of an organization with their work. Their last lines are polled while any of them works. */
export const workQuery = (orgId: string, filter: WorkFilter = {}) =>
  queryOptions({
    queryKey: [...agentsKey, "work", orgId, filter],
    queryFn: ({ signal }) =>
      everyPage((query) =>
        client.overview.work(
          { params: { org_id: orgId }, query: { ...query, ...filter } },
          { signal },
        ),
      ),
    refetchInterval: ({ state }) => {
      const { data = [] } = state;
      const isCounting = data.some(
        ({ base_branch, unmerged_commits }) => base_branch !== null && unmerged_commits === null,
      );
      if (data.some(({ current }) => current !== null)) return linesMs * pagesOf(data.length);
      return isCounting ? countingMs : false;
    },
  });

/** Large organizations are polled less often: they have more to read. */
const pagesOf = (rows: number): number => Math.max(1, Math.ceil(rows / 200));

/** @param since the beginning of the day, which is part of the key */
export const resultsQuery = (orgId: string, since: string) =>
  queryOptions({
    queryKey: [...overviewKey(orgId), "results", since],
    queryFn: async ({ signal }) =>
      (await client.overview.results({ params: { org_id: orgId }, query: { since } }, { signal }))
        .data,
  });
