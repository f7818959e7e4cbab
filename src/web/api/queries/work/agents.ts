import { queryOptions } from "@tanstack/react-query";
import type { Agent } from "#shared/api/work/agents.js";
import { client, everyPage } from "../../client.js";

export const agentsKey = ["agents"] as const;

export interface AgentFilter {
  organization_id?: string;
  project_id?: string;
  status?: "idle" | "running" | "terminated";
}

/** Refreshed by the organization's events, which include runs and queue positions. */
export const agentsQuery = (filter: AgentFilter) =>
  queryOptions({
    queryKey: [...agentsKey, "list", filter],
    queryFn: ({ signal }) =>
      everyPage((query) => client.agents.list({ query: { ...query, ...filter } }, { signal })),
  });

/** Whether an agent has a workspace. */
export const hasBranch = ({ workspace_branch }: Agent): boolean => workspace_branch !== null;

/** All agents of a project, as parents to choose from. */
export const projectAgentsQuery = (projectId: string) =>
  queryOptions({
    queryKey: [...agentsKey, "of-project", projectId],
    queryFn: ({ signal }) =>
      everyPage((query) =>
        client.agents.list({ query: { ...query, project_id: projectId } }, { signal }),
      ),
  });

/** All agents of an organization, to choose from. */
export const organizationAgentsQuery = (organizationId: string) =>
  queryOptions({
    queryKey: [...agentsKey, "of-organization", organizationId],
    queryFn: ({ signal }) =>
      everyPage((query) =>
        client.agents.list({ query: { ...query, organization_id: organizationId } }, { signal }),
      ),
  });

export const agentQuery = (agentId: string) =>
  queryOptions({
    queryKey: [...agentsKey, agentId],
    queryFn: async ({ signal }) =>
      (await client.agents.get({ params: { agent_id: agentId } }, { signal })).data,
  });
