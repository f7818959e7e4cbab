import type { recordedCommitTypes } from "#shared/workspace-choices.js";
import type { AuditSearch } from "../api/queries/audit.js";
import type { ListSearch } from "../lists/list-search.js";

/** Every link of the app is built here: `<Link {...paths.workspace(agentId)}>`. */
import type { MergeStrategy } from "#shared/api/merges.js";

export const organizationTabs = ["general", "resources", "members", "billing", "audit"] as const;
export type OrganizationTab = (typeof organizationTabs)[number];

export const adminTabs = ["users", "usage", "audit"] as const;
export type AdminTab = (typeof adminTabs)[number];

/** Whether invitations that are over are listed, too. */
export interface InvitationSearch {
  invitations_all?: boolean;
}

/** Which project's agents are listed. */
export interface ProjectFilter {
  project?: string;
}

/** How the list of organizations is looked at, and whether archived ones are in it. */
export interface OrganizationSearch extends ListSearch {
  archived?: boolean;
}

/** The type that a workspace's commits are narrowed to. */
export interface CommitSearch {
  type?: (typeof recordedCommitTypes)[number];
}

export const workspaceTabs = ["commits", "conflicts", "settings"] as const;
export type WorkspaceTab = (typeof workspaceTabs)[number];

/** What an act's preview is asked for; strategies and paths as the API has them. */
export interface OperationSearch {
  strategy?: MergeStrategy;
}
export interface MergeSearch extends OperationSearch {
  target?: string;
}
/** The files that are chosen, or all `but` those: whichever is shorter in an address. */
export interface RestoreSearch extends OperationSearch {
  paths?: string[];
  but?: string[];
}

export const paths = {
  login: (redirect?: string) =>
    ({ to: "/login", search: redirect === undefined ? {} : { redirect } }) as const,
  register: (redirect?: string) =>
    ({ to: "/register", search: redirect === undefined ? {} : { redirect } }) as const,
  forgotPassword: () => ({ to: "/forgot-password" }) as const,
  resetPassword: () => ({ to: "/reset-password", search: {} }) as const,
  verifyEmail: () => ({ to: "/verify-email", search: {} }) as const,

  invitation: (token: string) => ({ to: "/invitations/$token", params: { token } }) as const,

  welcome: () => ({ to: "/welcome" }) as const,

  organizations: (search: OrganizationSearch = {}) => ({ to: "/organizations", search }) as const,
  newOrganization: () => ({ to: "/organizations/new" }) as const,
  organization: (orgId: string) => ({ to: "/organizations/$orgId", params: { orgId } }) as const,
  organizationSettings: (orgId: string, tab?: OrganizationTab) =>
    ({
      to: "/organizations/$orgId/settings",
      params: { orgId },
      search: tab === undefined ? {} : { tab },
    }) as const,
  statement: (orgId: string, period: string) =>
    ({ to: "/organizations/$orgId/statements/$period", params: { orgId, period } }) as const,

  organizationAudit: (orgId: string, search: AuditSearch = {}) =>
    ({
      to: "/organizations/$orgId/settings",
      params: { orgId },
      search: { tab: "audit", ...search },
    }) as const,

  projects: () => ({ to: "/projects", search: {} }) as const,
  newProject: () => ({ to: "/projects", search: { new: true } }) as const,
  project: (projectId: string) =>
    ({ to: "/projects/$projectId", params: { projectId }, search: {} }) as const,

  agents: () => ({ to: "/agents", search: {} }) as const,
  newAgent: () => ({ to: "/agents", search: { new: true } }) as const,
  agent: (agentId: string) =>
    ({ to: "/agents/$agentId", params: { agentId }, search: {} }) as const,
  run: (agentId: string, runId: string) =>
    ({ to: "/agents/$agentId/runs/$runId", params: { agentId, runId } }) as const,
  workspace: (agentId: string, tab?: WorkspaceTab) =>
    ({
      to: "/agents/$agentId/workspace",
      params: { agentId },
      search: tab === undefined ? {} : { tab },
    }) as const,
  commit: (agentId: string, sha: string) =>
    ({ to: "/agents/$agentId/workspace/commits/$sha", params: { agentId, sha } }) as const,
  merge: (agentId: string, mergeId: string) =>
    ({ to: "/agents/$agentId/workspace/merges/$mergeId", params: { agentId, mergeId } }) as const,
  newMerge: (agentId: string, search: MergeSearch = {}) =>
    ({ to: "/agents/$agentId/workspace/merge", params: { agentId }, search }) as const,
  sync: (agentId: string, search: OperationSearch = {}) =>
    ({ to: "/agents/$agentId/workspace/sync", params: { agentId }, search }) as const,
  revert: (agentId: string, mergeId: string, search: OperationSearch = {}) =>
    ({
      to: "/agents/$agentId/workspace/merges/$mergeId/revert",
      params: { agentId, mergeId },
      search,
    }) as const,
  restore: (agentId: string, mergeId: string, search: RestoreSearch = {}) =>
    ({
      to: "/agents/$agentId/workspace/merges/$mergeId/restore",
      params: { agentId, mergeId },
      search,
    }) as const,

  profile: () => ({ to: "/settings/profile" }) as const,
  security: () => ({ to: "/settings/security", search: {} }) as const,
  apiKeys: () => ({ to: "/settings/api-keys", search: {} }) as const,
  newApiKey: () => ({ to: "/settings/api-keys/new" }) as const,
  admin: (tab?: AdminTab) => ({ to: "/admin", search: tab === undefined ? {} : { tab } }) as const,
  adminUser: (userId: string) => ({ to: "/admin/users/$userId", params: { userId } }) as const,
  apiKey: (keyId: string) => ({ to: "/settings/api-keys/$keyId", params: { keyId } }) as const,
};
