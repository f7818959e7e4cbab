import { queryOptions } from "@tanstack/react-query";
import { client, everyPage } from "../../client.js";
import { organizationsKey } from "./organizations.js";
import { beingDeleted } from "../code/projects.js";

export const diskUsageQuery = (orgId: string) =>
  queryOptions({
    queryKey: [...organizationsKey, orgId, "disk-usage"],
    queryFn: async ({ signal }) =>
      (await client.usage.disk({ params: { org_id: orgId } }, { signal })).data,
  });

const rowsOf = async (
  orgId: string,
  query: { period: string; by: "agent" | "project" | "day" | "model" | "person" | "task" },
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
      return {
        usage,
        days: rows.filter((row) => "date" in row),
        costs: usage.model_costs,
      };
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

export const personUsageQuery = (orgId: string, period: string) =>
  queryOptions({
    queryKey: [...organizationsKey, orgId, "usage", period, "person"],
    queryFn: async ({ signal }) => {
      const { rows } = await rowsOf(orgId, { period, by: "person" }, signal);
      return rows.filter((row) => "person_id" in row);
    },
  });

export const taskUsageQuery = (orgId: string, period: string) =>
  queryOptions({
    queryKey: [...organizationsKey, orgId, "usage", period, "task"],
    queryFn: async ({ signal }) => {
      const { rows } = await rowsOf(orgId, { period, by: "task" }, signal);
      return rows.filter((row) => "task_id" in row);
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
