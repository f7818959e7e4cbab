import { queryOptions } from "@tanstack/react-query";
import { client } from "../../api.js";
import { organizationsKey } from "../organizations/queries.js";

const rowsOf = async (
  orgId: string,
  query: { period: string; by: "agent" | "project" | "day" },
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

export const statementsQuery = (orgId: string) =>
  queryOptions({
    queryKey: [...organizationsKey, orgId, "statements"],
    queryFn: async ({ signal }) =>
      (await client.usage.statements({ params: { org_id: orgId }, query: {} }, { signal })).data,
  });

export const statementQuery = (orgId: string, period: string) =>
  queryOptions({
    queryKey: [...organizationsKey, orgId, "statements", period],
    queryFn: async ({ signal }) =>
      (await client.usage.statement({ params: { org_id: orgId, period }, query: {} }, { signal }))
        .data,
  });
