import { cursorPageQuery } from "../api/cursor-pages.js";
import { agentQuery, agentsQuery, hasBranch } from "../api/queries/agents.js";
import { apiKeysQuery } from "../api/queries/api-keys.js";
import { currentOf } from "../access/current-organization.js";
import {
  membersQuery,
  organizationQuery,
  organizationsQuery,
  permissionsQuery,
  usageQuery,
} from "../api/queries/organizations.js";
import { projectQuery, projectsQuery } from "../api/queries/projects.js";
import { runList, runQuery, sandboxQuery } from "../api/queries/runs.js";
import { commitQuery, diffQuery, mergeQuery, workspaceQuery } from "../api/queries/workspaces.js";
import { queryClient } from "../api/query-client.js";

/** What the router tells a route's loader. */
interface Entering<Params> {
  cause: "enter" | "preload" | "stay";
  params: Params;
}

/** How long the first page waits for what it shows, which came along with it (early.ts). */
const timeoutMs = 300;
let isFirst = true;

/**
 * A loader that asks for what a page will show while its code is on its way or being drawn. Only the
 * first page waits for the answers, so as to be drawn once and not twice, and not for long. A failure is
 * the page's to tell. Not where somebody only hovers over a link.
 */
function ahead<Params>(
  ask: (params: Params, queries: typeof queryClient) => readonly Promise<void>[],
): (entering: Entering<Params>) => Promise<unknown> | undefined {
  return ({ cause, params }) => {
    if (cause !== "enter") return undefined;
    const answered = Promise.all(ask(params, queryClient));
    if (!isFirst) return undefined;
    isFirst = false;
    return Promise.race([answered, new Promise((resolve) => setTimeout(resolve, timeoutMs))]);
  };
}

/** Asks for what begins from the organization switched to. */
async function ofCurrent(
  queries: typeof queryClient,
  ask: (orgId: string) => readonly Promise<unknown>[],
): Promise<void> {
  await queries.prefetchQuery(organizationsQuery);
  const current = currentOf(queries.getQueryData(organizationsQuery.queryKey) ?? []);
  if (current !== undefined) await Promise.all(ask(current.id));
}

export const prefetchWelcome = ahead((_params, queries) => [
  queries.prefetchQuery(apiKeysQuery),
  ofCurrent(queries, (organization_id) => {
    const agents = agentsQuery({ organization_id });
    const workspaceAsked = async (): Promise<void> => {
      await queries.prefetchQuery(agents);
      const agent = queries.getQueryData(agents.queryKey)?.find(hasBranch);
      if (agent !== undefined) await queries.prefetchQuery(workspaceQuery(agent.id));
    };
    return [queries.prefetchQuery(projectsQuery(organization_id)), workspaceAsked()];
  }),
]);

export const prefetchAgents = ahead((_params, queries) => [
  ofCurrent(queries, (orgId) => [
    queries.prefetchQuery(agentsQuery({ organization_id: orgId })),
    queries.prefetchQuery(projectsQuery(orgId)),
    queries.prefetchQuery(usageQuery(orgId)),
    queries.prefetchQuery(permissionsQuery(orgId)),
  ]),
]);

export const prefetchOrganization = ahead(({ orgId }: { orgId: string }, queries) => [
  queries.prefetchQuery(organizationQuery(orgId)),
  queries.prefetchQuery(usageQuery(orgId)),
  queries.prefetchQuery(projectsQuery(orgId)),
  queries.prefetchQuery(membersQuery(orgId)),
  queries.prefetchQuery(permissionsQuery(orgId)),
]);

export const prefetchSettings = ahead(({ orgId }: { orgId: string }, queries) => [
  queries.prefetchQuery(organizationQuery(orgId)),
  queries.prefetchQuery(permissionsQuery(orgId)),
]);

export const prefetchProject = ahead(({ projectId }: { projectId: string }, queries) => [
  queries.prefetchQuery(projectQuery(projectId)),
  queries.prefetchQuery(agentsQuery({ project_id: projectId })),
]);

export const prefetchAgent = ahead(({ agentId }: { agentId: string }, queries) => [
  queries.prefetchQuery(agentQuery(agentId)),
  queries.prefetchQuery(sandboxQuery),
  queries.prefetchQuery(cursorPageQuery(runList(agentId, {}))),
]);

export const prefetchRun = ahead(
  ({ agentId, runId }: { agentId: string; runId: string }, queries) => [
    queries.prefetchQuery(agentQuery(agentId)),
    queries.prefetchQuery(runQuery(runId)),
  ],
);

export const prefetchWorkspace = ahead(({ agentId }: { agentId: string }, queries) => [
  queries.prefetchQuery(agentQuery(agentId)),
  queries.prefetchQuery(workspaceQuery(agentId)),
]);

export const prefetchCommit = ahead(
  ({ agentId, sha }: { agentId: string; sha: string }, queries) => [
    queries.prefetchQuery(agentQuery(agentId)),
    queries.prefetchQuery(commitQuery(agentId, sha)),
    queries.prefetchQuery(diffQuery(agentId, sha)),
  ],
);

export const prefetchMerge = ahead(
  ({ agentId, mergeId }: { agentId: string; mergeId: string }, queries) => [
    queries.prefetchQuery(agentQuery(agentId)),
    queries.prefetchQuery(mergeQuery(agentId, mergeId)),
  ],
);

export const prefetchApiKeys = ahead((_params, queries) => [queries.prefetchQuery(apiKeysQuery)]);
