import type { FetchInfiniteQueryOptions, FetchQueryOptions } from "@tanstack/react-query";
import type { SourceName, Variables } from "#shared/page-data.js";
import { cursorPageQuery } from "../api/cursor-pages.js";
import { apiKeyQuery, apiKeysQuery } from "../api/queries/identity/api-keys.js";
import { meQuery, methodsQuery } from "../api/queries/identity/auth.js";
import { offerQuery } from "../api/queries/organization/invitations.js";
import {
  membersQuery,
  organizationQuery,
  organizationsQuery,
  permissionsQuery,
  usageQuery,
} from "../api/queries/organization/organizations.js";
import { statementQuery } from "../api/queries/organization/usage.js";
import { defaultTimelineHours, timelineQuery } from "../api/queries/work/timeline.js";
import { graphQuery, shownCommits } from "../api/queries/code/graph.js";
import {
  checksQuery,
  endedRequestPagesQuery,
  mergeQueueQuery,
  mergeRequestQuery,
} from "../api/queries/code/merge-queue.js";
import {
  branchList,
  projectMergePagesQuery,
  projectQuery,
  projectsQuery,
  recentMergesQuery,
  workspacePagesQuery,
} from "../api/queries/code/projects.js";
import { projectRadarQuery } from "../api/queries/code/radar.js";
import {
  changesQuery,
  commitQuery,
  diffQuery,
  mergeQuery,
  workspaceQuery,
} from "../api/queries/code/workspaces.js";
import { agentQuery, agentsQuery } from "../api/queries/work/agents.js";
import { forgeQuery } from "../api/queries/work/forges.js";
import { automationQuery, automationsQuery } from "../api/queries/work/automations.js";
import { notificationSettingsQuery } from "../api/queries/work/notifications.js";
import { attentionQuery, workQuery } from "../api/queries/work/overview.js";
import { sessionList, sessionQuery } from "../api/queries/work/sessions.js";
import { taskPagesQuery, taskQuery } from "../api/queries/work/tasks.js";
import { environmentQuery } from "../api/queries/execution/environments.js";
import { runList, runQuery, sandboxQuery } from "../api/queries/execution/runs.js";
import {
  adminUserQuery,
  nodeChoicesQuery,
  nodeProjectList,
  nodeQuery,
} from "../api/queries/operation/admin.js";

/* oxlint-disable typescript/no-explicit-any -- queries of different data share a list */
type PagesQuery = FetchInfiniteQueryOptions<any, any, any, any, any>;
export type Query = FetchQueryOptions<any, any, any, any> | PagesQuery;
/* oxlint-enable typescript/no-explicit-any */

/** Whether the pages of a list are read one after the other; the first one is loaded. */
export const isOfPages = (query: Query): query is PagesQuery => "initialPageParam" in query;

/** Returns the query of a source of data whose variables are known. */
export function queryOf(name: SourceName, known: Variables): Query {
  const of = (variable: string): string => {
    const value = known.get(variable);
    if (value === undefined) throw new Error(`${name} needs ${variable}`);
    return value;
  };
  return queries[name](of);
}

/** The query of each source of `#shared/page-data.js`, by its variables. */
const queries: Record<SourceName, (of: (variable: string) => string) => Query> = {
  me: () => meQuery,
  signInMethods: () => methodsQuery,
  apiKeys: () => apiKeysQuery,
  apiKey: (of) => apiKeyQuery(of("keyId")),

  organizations: () => organizationsQuery,
  organization: (of) => organizationQuery(of("orgId")),
  permissions: (of) => permissionsQuery(of("orgId")),
  members: (of) => membersQuery(of("orgId")),
  usage: (of) => usageQuery(of("orgId")),
  timeline: (of) => timelineQuery(of("orgId"), defaultTimelineHours),
  statement: (of) => statementQuery(of("orgId"), of("period")),
  forge: (of) => forgeQuery(of("orgId"), of("forgeId")),
  invitation: (of) => offerQuery(of("token")),

  projects: (of) => projectsQuery(of("orgId")),
  project: (of) => projectQuery(of("projectId")),
  radar: (of) => projectRadarQuery(of("projectId")),
  recentMerges: (of) => recentMergesQuery(of("projectId")),
  merges: (of) => projectMergePagesQuery(of("projectId")),
  mergeQueue: (of) => mergeQueueQuery(of("projectId")),
  endedRequests: (of) => endedRequestPagesQuery(of("projectId")),
  mergeRequest: (of) => mergeRequestQuery(of("requestId")),
  branches: (of) => cursorPageQuery(branchList(of("readyProjectId"))),
  graph: (of) => graphQuery(of("readyProjectId"), shownCommits),
  workspaces: (of) => workspacePagesQuery(of("projectId")),
  checks: (of) => checksQuery(of("projectId")),
  workspace: (of) => workspaceQuery(of("agentId")),
  changes: (of) => changesQuery(of("agentId")),
  commit: (of) => commitQuery(of("agentId"), of("sha")),
  diff: (of) => diffQuery(of("agentId"), of("sha")),
  merge: (of) => mergeQuery(of("agentId"), of("mergeId")),

  task: (of) => taskQuery(of("taskId")),
  tasks: (of) => taskPagesQuery({ orgId: of("orgId") }, { status: "unfinished" }),
  projectTasks: (of) => taskPagesQuery({ projectId: of("projectId") }, { status: "unfinished" }),
  automations: (of) => automationsQuery(of("projectId")),
  automation: (of) => automationQuery(of("projectId"), of("automationId")),
  attention: (of) => attentionQuery(of("orgId")),
  work: (of) => workQuery(of("orgId")),
  runningWork: (of) => workQuery(of("orgId"), { running: "true" }),
  projectWork: (of) => workQuery(of("orgId"), { project_id: of("projectId") }),
  agents: (of) => agentsQuery({ organization_id: of("orgId") }),
  projectAgents: (of) => agentsQuery({ project_id: of("projectId") }),
  agent: (of) => agentQuery(of("agentId")),
  firstWorkspace: (of) => workspaceQuery(of("firstAgentId")),
  sessions: (of) => cursorPageQuery(sessionList(of("agentId"))),
  session: (of) => sessionQuery(of("sessionId")),
  notificationSettings: () => notificationSettingsQuery,

  run: (of) => runQuery(of("runId")),
  runs: (of) => cursorPageQuery(runList(of("agentId"), {})),
  environment: (of) => environmentQuery(of("projectId")),
  sandbox: () => sandboxQuery,

  user: (of) => adminUserQuery(of("userId")),
  node: (of) => nodeQuery(of("nodeId")),
  nodes: () => nodeChoicesQuery,
  nodeProjects: (of) => cursorPageQuery(nodeProjectList(of("nodeId"))),
};
