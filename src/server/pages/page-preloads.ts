import type { SignedInPattern } from "#shared/page-address.js";

/**
 * What pages ask the API for first, beside who is signed in and which organizations he has, by the
 * variable parts of their addresses; then, step by step, what they ask for with what they learned:
 * `$orgId` and `$projectId` of what was answered; `$firstOrgId` of the first organization, which is the
 * current one of whoever has not chosen another; `$firstAgentId` of the first agent with a workspace;
 * `$shortSha` of a commit whose diff is short enough to come along.
 */
export const pagePreloads: Partial<Record<SignedInPattern, readonly (readonly string[])[]>> = {
  "/welcome": [
    ["/auth/api-keys?limit=200"],
    [
      "/projects?limit=200&organization_id=$firstOrgId",
      "/agents?limit=200&organization_id=$firstOrgId",
    ],
    ["/agents/$firstAgentId/workspace"],
  ],
  "/organizations/$orgId": [
    ["/organizations/$orgId"],
    [
      "/organizations/$orgId/usage",
      "/projects?limit=200&organization_id=$orgId",
      "/organizations/$orgId/members?limit=200",
      "/organizations/$orgId/permissions",
    ],
  ],
  "/organizations/$orgId/settings": [
    ["/organizations/$orgId"],
    ["/organizations/$orgId/permissions"],
  ],
  "/projects/$projectId": [
    ["/projects/$projectId", "/agents?limit=200&project_id=$projectId"],
    ["/organizations/$orgId", "/organizations/$orgId/permissions"],
  ],
  "/agents": [
    [],
    [
      "/organizations/$firstOrgId/usage",
      "/agents?limit=200&organization_id=$firstOrgId",
      "/projects?limit=200&organization_id=$firstOrgId",
      "/organizations/$firstOrgId/permissions",
    ],
  ],
  "/agents/$agentId": [
    ["/agents/$agentId", "/sandbox", "/agents/$agentId/runs?limit=25"],
    ["/organizations/$orgId", "/organizations/$orgId/permissions", "/projects/$projectId"],
  ],
  "/agents/$agentId/runs/$runId": [
    ["/agents/$agentId", "/agents/$agentId/runs/$runId"],
    ["/organizations/$orgId", "/organizations/$orgId/permissions"],
  ],
  "/agents/$agentId/workspace": [
    ["/agents/$agentId", "/agents/$agentId/workspace"],
    ["/organizations/$orgId", "/organizations/$orgId/permissions", "/projects/$projectId"],
  ],
  "/agents/$agentId/workspace/commits/$sha": [
    ["/agents/$agentId", "/agents/$agentId/workspace/commits/$sha"],
    [
      "/organizations/$orgId",
      "/projects/$projectId",
      "/agents/$agentId/workspace/commits/$shortSha/diff",
    ],
  ],
  "/agents/$agentId/workspace/merges/$mergeId": [
    ["/agents/$agentId", "/agents/$agentId/workspace/merges/$mergeId"],
    ["/organizations/$orgId", "/projects/$projectId"],
  ],
  "/settings/api-keys": [["/auth/api-keys?limit=200"]],
};
