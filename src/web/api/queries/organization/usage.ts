import { queryOptions } from "@tanstack/react-query";
import type { TimedRun } from "#shared/api/agents/runs.js";
import { client, everyPage, nextCursor } from "../../client.js";
import { agentsKey } from "../execution/agents.js";
import { organizationsKey } from "./organizations.js";
import { beingDeleted } from "../projects/projects.js";

export const diskUsageQuery = (orgId: string) =>
  queryOptions({
    queryKey: [...organizationsKey, orgId, "disk-usage"],
    queryFn: async ({ signal }) =>
      (await client.usage.disk({ params: { org_id: orgId } }, { signal })).data,
  });

const rowsOf = async (
  orgId: string,
  query: { period: string; by: "agent" | "project" | "day" | "model" },
  signal: AbortSignal,
) => {
  const { data } = await client.usage.get({ params: { org_id: orgId }, query }, { signal });
  return { usage: data, rows: data.rows ?? [] };
};

export const dayUsageQuery = (orgId: string, period: string) =>
  queryOptions({
    queryKey: [...organizationsKey, orgId, "usage", period, "day"],
    queryFn: async ({ signal }) => {
      const { usage, rows } = await rowsOf(orgId, { period, by: "day" }, signal);
      return { usage, days: rows.filter((row) => "date" in row) };
    },
  });

export const agentUsageQuery = (orgId: string, period: string) =>
  queryOptions({
    queryKey: [...organizationsKey, orgId, "usage", period, "agent"],
    queryFn: async ({ signal }) => {
      const { rows } = await rowsOf(orgId, { period, by: "agent" }, signal);
      return rows.filter((row) => "agent_id" in row);
    },
  });

export const projectUsageQuery = (orgId: string, period: string) =>
  queryOptions({
    queryKey: [...organizationsKey, orgId, "usage", period, "project"],
    queryFn: async ({ signal }) => {
      const { rows } = await rowsOf(orgId, { period, by: "project" }, signal);
      return rows.filter((row) => "agents" in row);
    },
  });

export const modelUsageQuery = (orgId: string, period: string) =>
  queryOptions({
    queryKey: [...organizationsKey, orgId, "usage", period, "model"],
    queryFn: async ({ signal }) => {
      const { rows } = await rowsOf(orgId, { period, by: "model" }, signal);
      return rows.filter((row) => "model" in row);
    },
  });

/** The budgets of the organization, a project or an agent in the current month, and their use. */
export const modelBudgetQuery = (orgId: string, ownerId: string) =>
  queryOptions({
    queryKey: [...organizationsKey, orgId, "model-budget", ownerId],
    queryFn: async ({ signal }) => {
      const query = { budget_of: ownerId };
      const { data } = await client.usage.get({ params: { org_id: orgId }, query }, { signal });
      return data.model_budget ?? null;
    },
    // The page of a project stays while the project is being deleted.
    enabled: () => !beingDeleted.has(ownerId),
    refetchInterval: 30_000,
  });

export const statementsQuery = (orgId: string) =>
  queryOptions({
    queryKey: [...organizationsKey, orgId, "statements"],
    queryFn: ({ signal }) =>
      everyPage((query) =>
        client.usage.statements({ params: { org_id: orgId }, query }, { signal }),
      ),
  });

export const statementQuery = (orgId: string, period: string) =>
  queryOptions({
    queryKey: [...organizationsKey, orgId, "statements", period],
    queryFn: async ({ signal }) =>
      (await client.usage.statement({ params: { org_id: orgId, period }, query: {} }, { signal }))
        .data,
  });

/** Keeps charts readable and pages small. */
const timelinePages = 3;

/** Runs of the last hours, of one agent or all; polled every 15 seconds. */
/** Default period of timelines; hours. */
export const defaultTimelineHours = 24;

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
