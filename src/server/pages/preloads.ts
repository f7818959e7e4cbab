import type { PageName } from "#shared/pages.js";

/**
 * The first API requests of each page, beside those for the user and the user's organizations, whose
 * responses the server sends along with the page, step by step. Each step may use the variables of the
 * page's path and those that earlier responses have set: `$orgId` and `$projectId`; `$firstOrgId`, the first
 * organization, which is the current one unless the user has switched; `$firstAgentId`, the first agent with
 * a workspace; `$shortSha`, a commit whose diff is short enough to send along.
 */
export const preloads: Partial<Record<PageName, readonly (readonly string[])[]>> = {
  welcome: [
    ["/auth/api-keys?limit=200"],
    [
      "/projects?limit=200&organization_id=$firstOrgId",
      "/agents?limit=200&organization_id=$firstOrgId",
    ],
    ["/agents/$firstAgentId/workspace"],
  ],
  organization: [
    ["/organizations/$orgId"],
    [
      "/organizations/$orgId/usage",
      "/projects?limit=200&organization_id=$orgId",
      "/organizations/$orgId/members?limit=200",
      "/organizations/$orgId/permissions",
    ],
  ],
  organizationSettings: [["/organizations/$orgId"], ["/organizations/$orgId/permissions"]],
  project: [
    [
      "/projects/$projectId",
      "/projects/$projectId/radar",
      "/projects/$projectId/merge-queue?limit=200",
      "/agents?limit=200&project_id=$projectId",
      "/projects/$projectId/merges?limit=5",
    ],
    ["/organizations/$orgId", "/organizations/$orgId/permissions"],
  ],
  projectAgents: [
    ["/projects/$projectId", "/agents?limit=200&project_id=$projectId"],
    ["/organizations/$orgId", "/organizations/$orgId/permissions"],
  ],
  projectMerges: [
    ["/projects/$projectId", "/projects/$projectId/merge-queue?limit=200"],
    ["/organizations/$orgId", "/organizations/$orgId/permissions"],
  ],
  projectBranches: [
    ["/projects/$projectId", "/projects/$projectId/branches?limit=20"],
    ["/organizations/$orgId", "/organizations/$orgId/permissions"],
  ],
  projectSettings: [
    ["/projects/$projectId", "/projects/$projectId/checks?limit=200"],
    ["/organizations/$orgId", "/organizations/$orgId/permissions"],
  ],
  mergeRequest: [["/projects/$projectId", "/merge-requests/$requestId"]],
  build: [
    ["/projects/$projectId", "/runs/$runId"],
    ["/organizations/$orgId", "/organizations/$orgId/permissions"],
  ],
  agents: [
    [],
    [
      "/organizations/$firstOrgId/usage",
      "/agents?limit=200&organization_id=$firstOrgId",
      "/projects?limit=200&organization_id=$firstOrgId",
      "/organizations/$firstOrgId/permissions",
    ],
  ],
  agent: [
    ["/agents/$agentId", "/agents/$agentId/sessions?limit=25", "/agents/$agentId/workspace"],
    ["/organizations/$orgId", "/organizations/$orgId/permissions", "/projects/$projectId"],
  ],
  session: [
    [
      "/agents/$agentId",
      "/sessions/$sessionId",
      "/agents/$agentId/sessions?limit=25",
      "/agents/$agentId/workspace",
    ],
    ["/organizations/$orgId", "/organizations/$orgId/permissions", "/projects/$projectId"],
  ],
  agentChanges: [
    ["/agents/$agentId", "/agents/$agentId/workspace"],
    ["/organizations/$orgId", "/organizations/$orgId/permissions", "/projects/$projectId"],
  ],
  agentConflicts: [
    ["/agents/$agentId", "/agents/$agentId/workspace"],
    ["/organizations/$orgId", "/organizations/$orgId/permissions", "/projects/$projectId"],
  ],
  agentRuns: [
    ["/agents/$agentId", "/agents/$agentId/runs?limit=25", "/agents/$agentId/workspace"],
    ["/organizations/$orgId", "/organizations/$orgId/permissions", "/projects/$projectId"],
  ],
  agentSettings: [
    ["/agents/$agentId", "/agents/$agentId/workspace"],
    ["/organizations/$orgId", "/organizations/$orgId/permissions", "/projects/$projectId"],
  ],
  run: [
    ["/agents/$agentId", "/runs/$runId"],
    ["/organizations/$orgId", "/organizations/$orgId/permissions"],
  ],
  workspace: [
    ["/agents/$agentId", "/agents/$agentId/workspace"],
    ["/organizations/$orgId", "/organizations/$orgId/permissions", "/projects/$projectId"],
  ],
  commit: [
    ["/agents/$agentId", "/agents/$agentId/workspace/commits/$sha"],
    [
      "/organizations/$orgId",
      "/projects/$projectId",
      "/agents/$agentId/workspace/commits/$shortSha/diff",
    ],
  ],
  merge: [
    ["/agents/$agentId", "/agents/$agentId/workspace/merges/$mergeId"],
    ["/organizations/$orgId", "/projects/$projectId"],
  ],
  profile: [["/auth/methods"]],
  apiKeys: [["/auth/api-keys?limit=200"]],
};
