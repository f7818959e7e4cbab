import type { SignedInPattern } from "#shared/page-address.js";

/**
 * What pages ask the API for first, beside who is signed in and which organizations he has, by the
 * variable parts of their addresses; then what they ask for with what they learned: `$orgId` and
 * `$projectId` of what was answered, `$firstOrgId` of the first organization, which is the current one of
 * whoever has not chosen another.
 */
export const firstAsked: Partial<
  Record<SignedInPattern, { first: readonly string[]; next?: readonly string[] }>
> = {
  "/welcome": {
    first: ["/auth/api-keys?limit=200"],
    next: [
      "/projects?limit=200&organization_id=$firstOrgId",
      "/agents?limit=200&organization_id=$firstOrgId",
    ],
  },
  "/organizations/$orgId": {
    first: ["/organizations/$orgId"],
    next: [
      "/organizations/$orgId/usage",
      "/projects?limit=200&organization_id=$orgId",
      "/organizations/$orgId/members",
      "/organizations/$orgId/permissions",
    ],
  },
  "/organizations/$orgId/settings": {
    first: ["/organizations/$orgId"],
    next: ["/organizations/$orgId/permissions"],
  },
  "/projects/$projectId": {
    first: ["/projects/$projectId", "/agents?limit=200&project_id=$projectId"],
    next: ["/organizations/$orgId", "/organizations/$orgId/permissions"],
  },
  "/agents": {
    first: [],
    next: [
      "/organizations/$firstOrgId/usage",
      "/agents?limit=200&organization_id=$firstOrgId",
      "/projects?limit=200&organization_id=$firstOrgId",
      "/organizations/$firstOrgId/permissions",
    ],
  },
  "/agents/$agentId": {
    first: ["/agents/$agentId", "/sandbox", "/agents/$agentId/runs?limit=25"],
    next: ["/organizations/$orgId", "/organizations/$orgId/permissions", "/projects/$projectId"],
  },
  "/agents/$agentId/runs/$runId": {
    first: ["/agents/$agentId", "/agents/$agentId/runs/$runId"],
    next: ["/organizations/$orgId", "/organizations/$orgId/permissions"],
  },
  "/agents/$agentId/workspace": {
    first: ["/agents/$agentId", "/agents/$agentId/workspace"],
    next: ["/organizations/$orgId", "/organizations/$orgId/permissions", "/projects/$projectId"],
  },
  "/agents/$agentId/workspace/commits/$sha": {
    first: ["/agents/$agentId", "/agents/$agentId/workspace/commits/$sha"],
    next: ["/organizations/$orgId", "/projects/$projectId"],
  },
  "/agents/$agentId/workspace/merges/$mergeId": {
    first: ["/agents/$agentId", "/agents/$agentId/workspace/merges/$mergeId"],
    next: ["/organizations/$orgId", "/projects/$projectId"],
  },
  "/settings/api-keys": { first: ["/auth/api-keys?limit=200"] },
};
