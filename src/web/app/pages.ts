import type { PublicPattern, SignedInPattern } from "#shared/page-address.js";

/** The code of each page: for the router, and for start.ts, which fetches one before there is a router. */
export const pages = {
  "/login": () => import("../features/auth/LoginPage.js"),
  "/register": () => import("../features/auth/RegisterPage.js"),
  "/forgot-password": () => import("../features/auth/ForgotPasswordPage.js"),
  "/reset-password": () => import("../features/auth/ResetPasswordPage.js"),
  "/verify-email": () => import("../features/auth/VerifyEmailPage.js"),
  "/invitations/$token": () => import("../features/invitations/InvitationPage.js"),
  "/welcome": () => import("../features/welcome/WelcomePage.js"),
  "/organizations": () => import("../features/organizations/OrganizationsPage.js"),
  "/organizations/new": () => import("../features/organizations/NewOrganizationPage.js"),
  "/organizations/$orgId": () => import("../features/organizations/OrganizationPage.js"),
  "/organizations/$orgId/settings": () =>
    import("../features/organizations/settings/OrganizationSettingsPage.js"),
  "/organizations/$orgId/statements/$period": () => import("../features/usage/StatementPage.js"),
  "/projects": () => import("../features/projects/ProjectsPage.js"),
  "/projects/$projectId": () => import("../features/projects/ProjectPage.js"),
  "/agents": () => import("../features/agents/AgentsPage.js"),
  "/agents/$agentId": () => import("../features/agents/AgentPage.js"),
  "/agents/$agentId/runs/$runId": () => import("../features/runs/RunPage.js"),
  "/agents/$agentId/workspace": () => import("../features/workspaces/WorkspacePage.js"),
  "/agents/$agentId/workspace/commits/$sha": () => import("../features/workspaces/CommitPage.js"),
  "/agents/$agentId/workspace/merges/$mergeId": () => import("../features/workspaces/MergePage.js"),
  "/agents/$agentId/workspace/merge": () => import("../features/merging/NewMergePage.js"),
  "/agents/$agentId/workspace/sync": () => import("../features/merging/SyncPage.js"),
  "/agents/$agentId/workspace/merges/$mergeId/revert": () =>
    import("../features/merging/RevertPage.js"),
  "/agents/$agentId/workspace/merges/$mergeId/restore": () =>
    import("../features/merging/RestorePage.js"),
  "/settings/profile": () => import("../features/account/ProfilePage.js"),
  "/settings/security": () => import("../features/account/SecurityPage.js"),
  "/settings/api-keys": () => import("../features/api-keys/ApiKeysPage.js"),
  "/settings/api-keys/new": () => import("../features/api-keys/NewApiKeyPage.js"),
  "/settings/api-keys/$keyId": () => import("../features/api-keys/ApiKeyPage.js"),
  "/admin": () => import("../features/admin/AdminPage.js"),
  "/admin/users/$userId": () => import("../features/admin/UserPage.js"),
} satisfies Record<PublicPattern | SignedInPattern, () => Promise<unknown>>;
