/** The code of each page, by its path; those that somebody signed out may see. */
const publicPages = {
  "/login": () => import("./features/auth/LoginPage.js"),
  "/register": () => import("./features/auth/RegisterPage.js"),
  "/forgot-password": () => import("./features/auth/ForgotPasswordPage.js"),
  "/reset-password": () => import("./features/auth/ResetPasswordPage.js"),
  "/verify-email": () => import("./features/auth/VerifyEmailPage.js"),
  "/invitations/$token": () => import("./features/invitations/InvitationPage.js"),
};

/** Those that need somebody signed in. Where two fit an address, the first one is meant. */
const signedInPages = {
  "/welcome": () => import("./features/welcome/WelcomePage.js"),
  "/organizations": () => import("./features/organizations/OrganizationsPage.js"),
  "/organizations/new": () => import("./features/organizations/NewOrganizationPage.js"),
  "/organizations/$orgId": () => import("./features/organizations/OrganizationPage.js"),
  "/organizations/$orgId/settings": () =>
    import("./features/organizations/OrganizationSettingsPage.js"),
  "/organizations/$orgId/statements/$period": () => import("./features/usage/StatementPage.js"),
  "/projects": () => import("./features/projects/ProjectsPage.js"),
  "/projects/$projectId": () => import("./features/projects/ProjectPage.js"),
  "/agents": () => import("./features/agents/AgentsPage.js"),
  "/agents/$agentId": () => import("./features/agents/AgentPage.js"),
  "/agents/$agentId/runs/$runId": () => import("./features/runs/RunPage.js"),
  "/agents/$agentId/workspace": () => import("./features/workspaces/WorkspacePage.js"),
  "/agents/$agentId/workspace/commits/$sha": () => import("./features/workspaces/CommitPage.js"),
  "/agents/$agentId/workspace/merges/$mergeId": () => import("./features/workspaces/MergePage.js"),
  "/agents/$agentId/workspace/merge": () => import("./features/merging/NewMergePage.js"),
  "/agents/$agentId/workspace/sync": () => import("./features/merging/SyncPage.js"),
  "/agents/$agentId/workspace/merges/$mergeId/revert": () =>
    import("./features/merging/RevertPage.js"),
  "/agents/$agentId/workspace/merges/$mergeId/restore": () =>
    import("./features/merging/RestorePage.js"),
  "/settings/profile": () => import("./features/account/ProfilePage.js"),
  "/settings/security": () => import("./features/account/SecurityPage.js"),
  "/settings/api-keys": () => import("./features/api-keys/ApiKeysPage.js"),
  "/settings/api-keys/new": () => import("./features/api-keys/NewApiKeyPage.js"),
  "/settings/api-keys/$keyId": () => import("./features/api-keys/ApiKeyPage.js"),
};

/** All pages: for the router, and for start.ts, which fetches one before there is a router. */
export const pages = { ...publicPages, ...signedInPages };

function fits(pattern: string, pathname: string): boolean {
  const parts = pathname.split("/");
  const wanted = pattern.split("/");
  return (
    parts.length === wanted.length &&
    wanted.every((part, at) => part.startsWith("$") || part === parts[at])
  );
}

function findPage(of: Record<string, () => Promise<unknown>>, pathname: string) {
  return Object.entries(of).find(([pattern]) => fits(pattern, pathname))?.[1];
}

/** Which page an address will show, and whether it asks who is signed in. */
export function pageAt(
  pathname: string,
  isSignedIn: boolean,
): { load: (() => Promise<unknown>) | undefined; isPublic: boolean } {
  const open = findPage(publicPages, pathname);
  if (open) return { load: open, isPublic: true };
  if (!isSignedIn) return { load: pages["/login"], isPublic: true };
  const path = pathname === "/" ? "/organizations" : pathname;
  return { load: findPage(signedInPages, path), isPublic: false };
}
