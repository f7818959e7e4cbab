import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
} from "@tanstack/react-router";
import {
  adminSearchOf,
  agentSearchOf,
  agentsSearchOf,
  errorOf,
  isId,
  loginSearchOf,
  mergeSearchOf,
  organizationsSearchOf,
  projectSearchOf,
  projectsSearchOf,
  redirectOf,
  restoreSearchOf,
  settingsSearchOf,
  strategyOf,
  tokenOf,
  workspaceSearchOf,
} from "../paths/address-search.js";
import {
  prefetchAgent,
  prefetchAgents,
  prefetchApiKeys,
  prefetchCommit,
  prefetchMerge,
  prefetchOrganization,
  prefetchProject,
  prefetchRun,
  prefetchSettings,
  prefetchWelcome,
  prefetchWorkspace,
} from "./prefetch.js";
import { ApiError } from "../api/client.js";
import { meQuery } from "../api/queries/auth.js";
import { mayBeSignedIn } from "../access/signed-in.js";
import { organizationQuery } from "../api/queries/organizations.js";
import { AppShell } from "./shell/app-shell.js";
import { CrashPage } from "./shell/CrashPage.js";
import { NotFoundPage } from "./shell/NotFoundPage.js";
import { RootLayout } from "./shell/root-layout.js";
import { type ListSearch, listSearchOf } from "../lists/list-search.js";
import { paths } from "../paths/paths.js";
import { pages } from "./pages.js";
import { queryClient } from "../api/query-client.js";

const root = createRootRoute({ component: RootLayout });

const login = createRoute({
  getParentRoute: () => root,
  path: "/login",
  validateSearch: loginSearchOf,
  component: lazyRouteComponent(pages["/login"], "LoginPage"),
});
const register = createRoute({
  getParentRoute: () => root,
  path: "/register",
  validateSearch: redirectOf,
  component: lazyRouteComponent(pages["/register"], "RegisterPage"),
});

const forgotPassword = createRoute({
  getParentRoute: () => root,
  path: "/forgot-password",
  component: lazyRouteComponent(pages["/forgot-password"], "ForgotPasswordPage"),
});
const resetPassword = createRoute({
  getParentRoute: () => root,
  path: "/reset-password",
  validateSearch: tokenOf,
  component: lazyRouteComponent(pages["/reset-password"], "ResetPasswordPage"),
});
const verifyEmail = createRoute({
  getParentRoute: () => root,
  path: "/verify-email",
  validateSearch: tokenOf,
  component: lazyRouteComponent(pages["/verify-email"], "VerifyEmailPage"),
});
const invitation = createRoute({
  getParentRoute: () => root,
  path: "/invitations/$token",
  component: lazyRouteComponent(pages["/invitations/$token"], "InvitationPage"),
});

/** Everything below needs somebody signed in; the address asked for is kept for afterwards. */
const app = createRoute({
  getParentRoute: () => root,
  id: "app",
  component: AppShell,
  beforeLoad: async ({ location }) => {
    if (!mayBeSignedIn()) redirect({ ...paths.login(location.href), throw: true });
    try {
      await queryClient.ensureQueryData(meQuery);
    } catch (error) {
      if (error instanceof ApiError && error.status === 401)
        redirect({ ...paths.login(location.href), throw: true });
      throw error;
    }
  },
});

/** Pages know organizations by their ids: an address that names a slug, an old one too, leads on. */
async function leadOnFromSlug({
  params,
  location,
}: {
  params: { orgId: string };
  location: { href: string };
}): Promise<void> {
  if (isId(params.orgId)) return;
  // Where there is none, the page says so.
  const found = await queryClient.fetchQuery(organizationQuery(params.orgId)).catch(() => null);
  if (found === null) return;
  queryClient.setQueryData(organizationQuery(found.id).queryKey, found);
  const href = location.href.replace(/^(\/organizations\/)[^/?#]+/, `$1${found.id}`);
  redirect({ href, replace: true, throw: true });
}

const home = createRoute({
  getParentRoute: () => app,
  path: "/",
  beforeLoad: () => {
    redirect({ ...paths.organizations(), replace: true, throw: true });
  },
});
const settings = createRoute({
  getParentRoute: () => app,
  path: "/settings",
  beforeLoad: () => {
    redirect({ ...paths.profile(), replace: true, throw: true });
  },
});
const welcome = createRoute({
  getParentRoute: () => app,
  path: "/welcome",
  loader: prefetchWelcome,
  component: lazyRouteComponent(pages["/welcome"], "WelcomePage"),
});
const organizations = createRoute({
  getParentRoute: () => app,
  path: "/organizations",
  validateSearch: organizationsSearchOf,
  component: lazyRouteComponent(pages["/organizations"], "OrganizationsPage"),
});
const newOrganization = createRoute({
  getParentRoute: () => app,
  path: "/organizations/new",
  component: lazyRouteComponent(pages["/organizations/new"], "NewOrganizationPage"),
});
const organization = createRoute({
  getParentRoute: () => app,
  path: "/organizations/$orgId",
  beforeLoad: (entering) => leadOnFromSlug(entering),
  loader: prefetchOrganization,
  component: lazyRouteComponent(pages["/organizations/$orgId"], "OrganizationPage"),
});
const organizationSettings = createRoute({
  getParentRoute: () => app,
  path: "/organizations/$orgId/settings",
  beforeLoad: (entering) => leadOnFromSlug(entering),
  validateSearch: settingsSearchOf,
  loader: prefetchSettings,
  component: lazyRouteComponent(
    pages["/organizations/$orgId/settings"],
    "OrganizationSettingsPage",
  ),
});
const statement = createRoute({
  getParentRoute: () => app,
  path: "/organizations/$orgId/statements/$period",
  beforeLoad: (entering) => leadOnFromSlug(entering),
  component: lazyRouteComponent(pages["/organizations/$orgId/statements/$period"], "StatementPage"),
});
const projects = createRoute({
  getParentRoute: () => app,
  path: "/projects",
  validateSearch: projectsSearchOf,
  component: lazyRouteComponent(pages["/projects"], "ProjectsPage"),
});
const project = createRoute({
  getParentRoute: () => app,
  path: "/projects/$projectId",
  validateSearch: projectSearchOf,
  loader: prefetchProject,
  component: lazyRouteComponent(pages["/projects/$projectId"], "ProjectPage"),
});
const agents = createRoute({
  getParentRoute: () => app,
  path: "/agents",
  validateSearch: agentsSearchOf,
  loader: prefetchAgents,
  component: lazyRouteComponent(pages["/agents"], "AgentsPage"),
});
const agent = createRoute({
  getParentRoute: () => app,
  path: "/agents/$agentId",
  validateSearch: agentSearchOf,
  loader: prefetchAgent,
  component: lazyRouteComponent(pages["/agents/$agentId"], "AgentPage"),
});
const run = createRoute({
  getParentRoute: () => app,
  path: "/agents/$agentId/runs/$runId",
  loader: prefetchRun,
  component: lazyRouteComponent(pages["/agents/$agentId/runs/$runId"], "RunPage"),
});
const workspace = createRoute({
  getParentRoute: () => app,
  path: "/agents/$agentId/workspace",
  validateSearch: workspaceSearchOf,
  loader: prefetchWorkspace,
  component: lazyRouteComponent(pages["/agents/$agentId/workspace"], "WorkspacePage"),
});
const commit = createRoute({
  getParentRoute: () => app,
  path: "/agents/$agentId/workspace/commits/$sha",
  loader: prefetchCommit,
  component: lazyRouteComponent(pages["/agents/$agentId/workspace/commits/$sha"], "CommitPage"),
});
const merge = createRoute({
  getParentRoute: () => app,
  path: "/agents/$agentId/workspace/merges/$mergeId",
  loader: prefetchMerge,
  component: lazyRouteComponent(pages["/agents/$agentId/workspace/merges/$mergeId"], "MergePage"),
});
const newMerge = createRoute({
  getParentRoute: () => app,
  path: "/agents/$agentId/workspace/merge",
  validateSearch: mergeSearchOf,
  component: lazyRouteComponent(pages["/agents/$agentId/workspace/merge"], "NewMergePage"),
});
const sync = createRoute({
  getParentRoute: () => app,
  path: "/agents/$agentId/workspace/sync",
  validateSearch: strategyOf,
  component: lazyRouteComponent(pages["/agents/$agentId/workspace/sync"], "SyncPage"),
});
const revert = createRoute({
  getParentRoute: () => app,
  path: "/agents/$agentId/workspace/merges/$mergeId/revert",
  validateSearch: strategyOf,
  component: lazyRouteComponent(
    pages["/agents/$agentId/workspace/merges/$mergeId/revert"],
    "RevertPage",
  ),
});
const restore = createRoute({
  getParentRoute: () => app,
  path: "/agents/$agentId/workspace/merges/$mergeId/restore",
  validateSearch: restoreSearchOf,
  component: lazyRouteComponent(
    pages["/agents/$agentId/workspace/merges/$mergeId/restore"],
    "RestorePage",
  ),
});
const profile = createRoute({
  getParentRoute: () => app,
  path: "/settings/profile",
  component: lazyRouteComponent(pages["/settings/profile"], "ProfilePage"),
});
const security = createRoute({
  getParentRoute: () => app,
  path: "/settings/security",
  validateSearch: errorOf,
  component: lazyRouteComponent(pages["/settings/security"], "SecurityPage"),
});
const apiKeys = createRoute({
  getParentRoute: () => app,
  path: "/settings/api-keys",
  validateSearch: (search): ListSearch => listSearchOf(search),
  loader: prefetchApiKeys,
  component: lazyRouteComponent(pages["/settings/api-keys"], "ApiKeysPage"),
});
const newApiKey = createRoute({
  getParentRoute: () => app,
  path: "/settings/api-keys/new",
  component: lazyRouteComponent(pages["/settings/api-keys/new"], "NewApiKeyPage"),
});
const apiKey = createRoute({
  getParentRoute: () => app,
  path: "/settings/api-keys/$keyId",
  component: lazyRouteComponent(pages["/settings/api-keys/$keyId"], "ApiKeyPage"),
});
const admin = createRoute({
  getParentRoute: () => app,
  path: "/admin",
  validateSearch: adminSearchOf,
  component: lazyRouteComponent(pages["/admin"], "AdminPage"),
});
const adminUser = createRoute({
  getParentRoute: () => app,
  path: "/admin/users/$userId",
  component: lazyRouteComponent(pages["/admin/users/$userId"], "UserPage"),
});

export const router = createRouter({
  routeTree: root.addChildren([
    login,
    register,
    forgotPassword,
    resetPassword,
    verifyEmail,
    invitation,
    app.addChildren([
      home,
      settings,
      welcome,
      organizations,
      newOrganization,
      organization,
      organizationSettings,
      statement,
      projects,
      project,
      agents,
      agent,
      run,
      workspace,
      commit,
      merge,
      newMerge,
      sync,
      revert,
      restore,
      profile,
      security,
      apiKeys,
      newApiKey,
      apiKey,
      admin,
      adminUser,
    ]),
  ]),
  defaultPreload: "intent",
  defaultErrorComponent: CrashPage,
  defaultNotFoundComponent: NotFoundPage,
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
