import { createRootRoute, createRoute, createRouter, redirect } from "@tanstack/react-router";
import type { Variables } from "#shared/page-data.js";
import { type PublicPageName, redirects } from "#shared/pages.js";
import { isUuid } from "#shared/uuid.js";
import { mayBeSignedIn } from "../access/signed-in.js";
import { ApiError } from "../api/client.js";
import { projectsQuery } from "../api/queries/code/projects.js";
import { workspaceQuery } from "../api/queries/code/workspaces.js";
import { meQuery, methodsQuery } from "../api/queries/identity/auth.js";
import { organizationQuery } from "../api/queries/organization/organizations.js";
import { queryClient } from "../api/query-client.js";
import { dialogSearchOf } from "../forms/dialog-search.js";
import { listSearchOf } from "../lists/list-search.js";
import {
  adminSearchOf,
  agentRunsSearchOf,
  agentSearchOf,
  agentTabOf,
  agentsSearchOf,
  codeOf,
  errorOf,
  forgeSearchOf,
  homeSearchOf,
  loginSearchOf,
  mergeSearchOf,
  organizationsSearchOf,
  projectAgentsSearchOf,
  projectBranchesSearchOf,
  projectMergesSearchOf,
  projectTabOf,
  projectsSearchOf,
  redirectOf,
  restoreSearchOf,
  settingsSearchOf,
  strategyOf,
  taskListSearchOf,
  taskSearchOf,
  templateOf,
  tokenOf,
  workspaceSearchOf,
  workspaceTabOf,
} from "../paths/address-search.js";
import { paths } from "../paths/paths.js";
import type { Query } from "./page-queries.js";
import { type PageEntries, routesOf } from "./page-routes.js";
import { AppShell } from "./shell/app-shell.js";
import { CrashPage } from "./shell/CrashPage.js";
import { NotFoundPage } from "./shell/NotFoundPage.js";
import { RootLayout } from "./shell/root-layout.js";

/** Every page of `#shared/pages.js`, with its component and search parameters. */
const publicPages = {
  login: {
    search: loginSearchOf,
    title: "Sign in",
    // Without any account, the form of the first one takes its place: before anything is typed.
    awaitsParts: true,
    component: () => import("../features/identity/auth/LoginPage.js"),
  },
  register: {
    search: redirectOf,
    title: "Create an account",
    // The first account is the administrator's.
    awaitsParts: true,
    component: () => import("../features/identity/auth/RegisterPage.js"),
  },
  forgotPassword: {
    title: "Reset your password",
    // Its text depends on whether the server sends email.
    awaitsParts: true,
    component: () => import("../features/identity/auth/ForgotPasswordPage.js"),
  },
  resetPassword: {
    search: tokenOf,
    title: "Choose a new password",
    component: () => import("../features/identity/auth/ResetPasswordPage.js"),
  },
  verifyEmail: {
    search: tokenOf,
    title: "Confirm your email address",
    component: () => import("../features/identity/auth/VerifyEmailPage.js"),
  },
  invitation: {
    title: "Invitation",
    // Its actions depend on whether the invited user is signed in.
    awaitsParts: true,
    component: () => import("../features/organization/invitations/InvitationPage.js"),
  },
} satisfies Pick<PageEntries, PublicPageName>;

const signedInPages = {
  welcome: {
    title: "Getting started",
    rereads: "agents",
    alsoPart: (known) => previewOfFirstMerge(known),
    // A preview that appears later would shift the steps below it.
    awaitsParts: true,
    component: () => import("../features/work/welcome/WelcomePage.js"),
  },
  home: {
    search: homeSearchOf,
    title: "Home",
    // Sections that appear one by one would shift the layout.
    awaitsParts: true,
    component: () => import("../features/work/home/HomePage.js"),
  },
  organizations: {
    search: organizationsSearchOf,
    title: "Organizations",
    component: () => import("../features/organization/organizations/OrganizationsPage.js"),
  },
  newOrganization: {
    component: () => import("../features/organization/organizations/NewOrganizationPage.js"),
  },
  organization: {
    beforeLoad: (entering) => redirectFromSlug(entering),
    title: "Organization",
    noun: "organization",
    // Cards that appear one by one would shift the layout.
    awaitsParts: true,
    component: () => import("../features/organization/organizations/OrganizationPage.js"),
  },
  organizationSettings: {
    search: settingsSearchOf,
    beforeLoad: (entering) => redirectFromSlug(entering),
    title: "Settings",
    noun: "organization",
    component: () =>
      import("../features/organization/organizations/settings/OrganizationSettingsPage.js"),
  },
  forgeDeliveries: {
    beforeLoad: (entering) => redirectFromSlug(entering),
    title: "Deliveries",
    noun: "connection",
    component: () => import("../features/organization/organizations/forges/ForgeDeliveriesPage.js"),
  },
  statement: {
    beforeLoad: (entering) => redirectFromSlug(entering),
    title: "Statement",
    noun: "statement",
    component: () => import("../features/organization/organizations/usage/StatementPage.js"),
  },
  projects: {
    search: projectsSearchOf,
    title: "Projects",
    component: () => import("../features/code/projects/ProjectsPage.js"),
  },
  project: {
    beforeLoad: (entering) => redirectTo(entering, projectTabOf),
    title: "Project",
    noun: "project",
    // Cards that appear one by one would shift the layout; so in the other tabs.
    awaitsParts: true,
    component: () => import("../features/code/projects/ProjectPage.js"),
  },
  projectAgents: {
    search: projectAgentsSearchOf,
    title: "Project",
    noun: "project",
    awaitsParts: true,
    component: () => import("../features/code/projects/ProjectAgentsPage.js"),
  },
  projectTasks: {
    search: taskListSearchOf,
    title: "Project",
    noun: "project",
    awaitsParts: true,
    component: () => import("../features/code/projects/ProjectTasksPage.js"),
  },
  projectMerges: {
    search: projectMergesSearchOf,
    title: "Project",
    noun: "project",
    awaitsParts: true,
    component: () => import("../features/code/projects/ProjectMergesPage.js"),
  },
  projectBranches: {
    search: projectBranchesSearchOf,
    title: "Project",
    noun: "project",
    awaitsParts: true,
    component: () => import("../features/code/projects/repository/ProjectBranchesPage.js"),
  },
  projectAutomations: {
    title: "Project",
    noun: "project",
    awaitsParts: true,
    component: () => import("../features/code/projects/ProjectAutomationsPage.js"),
  },
  newAutomation: {
    search: templateOf,
    title: "New automation",
    noun: "project",
    awaitsParts: true,
    component: () => import("../features/work/automations/NewAutomationPage.js"),
  },
  automation: {
    title: "Automation",
    noun: "automation",
    component: () => import("../features/work/automations/AutomationPage.js"),
  },
  editAutomation: {
    title: "Automation",
    noun: "automation",
    awaitsParts: true,
    component: () => import("../features/work/automations/EditAutomationPage.js"),
  },
  projectSettings: {
    title: "Project",
    noun: "project",
    awaitsParts: true,
    component: () => import("../features/code/projects/ProjectSettingsPage.js"),
  },
  mergeRequest: {
    title: "Merge request",
    noun: "merge request",
    component: () => import("../features/code/merge-requests/MergeRequestPage.js"),
  },
  build: {
    title: "Build",
    noun: "build",
    component: () => import("../features/execution/runs/BuildPage.js"),
  },
  tasks: {
    search: taskListSearchOf,
    title: "Tasks",
    awaitsParts: true,
    component: () => import("../features/work/tasks/TasksPage.js"),
  },
  task: {
    search: taskSearchOf,
    title: "Task",
    noun: "task",
    component: () => import("../features/work/tasks/TaskPage.js"),
  },
  agents: {
    search: agentsSearchOf,
    title: "Agents",
    component: () => import("../features/work/agents/AgentsPage.js"),
  },
  agent: {
    search: agentSearchOf,
    beforeLoad: (entering) => redirectTo(entering, agentTabOf),
    title: "Agent",
    noun: "agent",
    component: () => import("../features/work/agents/sessions/AgentPage.js"),
  },
  session: {
    search: dialogSearchOf,
    title: "Session",
    noun: "session",
    component: () => import("../features/work/agents/sessions/SessionPage.js"),
  },
  agentChanges: {
    search: dialogSearchOf,
    title: "Agent",
    noun: "agent",
    component: () => import("../features/work/agents/changes/AgentChangesPage.js"),
  },
  agentConflicts: {
    search: dialogSearchOf,
    title: "Agent",
    noun: "agent",
    component: () => import("../features/work/agents/conflicts/AgentConflictsPage.js"),
  },
  agentRuns: {
    search: agentRunsSearchOf,
    title: "Agent",
    noun: "agent",
    component: () => import("../features/work/agents/runs/AgentRunsPage.js"),
  },
  agentSettings: {
    search: dialogSearchOf,
    title: "Agent",
    noun: "agent",
    awaitsParts: true,
    component: () => import("../features/work/agents/settings/AgentSettingsPage.js"),
  },
  run: {
    title: "Run",
    noun: "run",
    component: () => import("../features/execution/runs/RunPage.js"),
  },
  workspace: {
    search: workspaceSearchOf,
    beforeLoad: (entering) => redirectTo(entering, workspaceTabOf),
    title: "Agent",
    noun: "agent",
    component: () => import("../features/work/agents/workspace/WorkspacePage.js"),
  },
  commit: {
    title: "Commit",
    noun: "commit",
    component: () => import("../features/code/workspaces/commits/CommitPage.js"),
  },
  merge: {
    title: "Merge",
    noun: "merge",
    component: () => import("../features/code/workspaces/merges/MergePage.js"),
  },
  newMerge: {
    search: mergeSearchOf,
    title: "Merge",
    noun: "workspace",
    component: () => import("../features/code/merging/NewMergePage.js"),
  },
  sync: {
    search: strategyOf,
    title: "Sync",
    noun: "workspace",
    component: () => import("../features/code/merging/SyncPage.js"),
  },
  revert: {
    search: strategyOf,
    title: "Revert merge",
    noun: "merge",
    component: () => import("../features/code/merging/RevertPage.js"),
  },
  restore: {
    search: restoreSearchOf,
    title: "Restore the other version",
    noun: "merge",
    component: () => import("../features/code/merging/RestorePage.js"),
  },
  device: {
    search: codeOf,
    title: "Sign in a program",
    component: () => import("../features/identity/device-login/DevicePage.js"),
  },
  profile: {
    search: forgeSearchOf,
    title: "Profile",
    awaitsParts: true,
    component: () => import("../features/identity/account/ProfilePage.js"),
  },
  security: {
    search: errorOf,
    component: () => import("../features/identity/account/SecurityPage.js"),
  },
  notifications: {
    title: "Notifications",
    component: () => import("../features/work/notifications/NotificationsPage.js"),
  },
  apiKeys: {
    search: (search) => listSearchOf(search),
    title: "API Key Management",
    component: () => import("../features/identity/api-keys/ApiKeysPage.js"),
  },
  newApiKey: { component: () => import("../features/identity/api-keys/NewApiKeyPage.js") },
  apiKey: {
    title: "API key",
    noun: "API key",
    component: () => import("../features/identity/api-keys/ApiKeyPage.js"),
  },
  admin: {
    search: adminSearchOf,
    title: "Installation",
    component: () => import("../features/operation/admin/AdminPage.js"),
  },
  adminUser: {
    title: "User",
    noun: "user",
    component: () => import("../features/operation/admin/AdminUserPage.js"),
  },
  adminServer: {
    title: "Server",
    noun: "server",
    component: () => import("../features/operation/admin/servers/AdminServerPage.js"),
  },
} satisfies Omit<PageEntries, PublicPageName>;

/** The preview of the first merge of a new user's first agent, once there is something to merge. */
async function previewOfFirstMerge(known: Variables): Promise<Query | undefined> {
  const [orgId, agentId] = [known.get("orgId"), known.get("firstAgentId")];
  if (orgId === undefined || agentId === undefined) return undefined;
  const projects = queryClient.getQueryData(projectsQuery(orgId).queryKey) ?? [];
  const workspace = queryClient.getQueryData(workspaceQuery(agentId).queryKey);
  if (projects.some(({ counts }) => counts.merges > 0)) return undefined;
  if (workspace === undefined || workspace.counts.commits === 0) return undefined;
  // Not among the scripts of every page.
  const { firstMergeQuery } = await import("../api/queries/code/merging.js");
  return firstMergeQuery(workspace);
}

/** Page addresses contain organization ids. Redirects an address with a current or former slug. */
async function redirectFromSlug({
  params,
  location,
}: {
  params: { orgId: string };
  location: { href: string };
}): Promise<void> {
  if (isUuid(params.orgId)) return;
  // If no organization matches, the page shows the error.
  const found = await queryClient.fetchQuery(organizationQuery(params.orgId)).catch(() => null);
  if (found === null) return;
  queryClient.setQueryData(organizationQuery(found.id).queryKey, found);
  const href = location.href.replace(/^(\/organizations\/)[^/?#]+/, `$1${found.id}`);
  redirect({ href, replace: true, throw: true });
}

const root = createRootRoute({ component: RootLayout });

/**
 * Redirects an address with the view of a list that another tab shows now to that tab.
 * @param tabOf returns the tab's address by the search parameters, relative to the page's
 */
function redirectTo(
  { location }: { location: { href: string } },
  tabOf: (search: URLSearchParams) => string | undefined,
): void {
  const { href, searchParams } = new URL(location.href, window.location.origin);
  const tab = tabOf(searchParams);
  if (tab === undefined) return;
  const { pathname, search } = new URL(tab, href.replace(/\/?(?=\?|$)/, "/"));
  redirect({ href: `${pathname}${search}`, replace: true, throw: true });
}

/** All routes below need a session; the requested address is kept for after the sign-in. */
const app = createRoute({
  getParentRoute: () => root,
  id: "app",
  component: AppShell,
  beforeLoad: async ({ location }) => {
    if (!mayBeSignedIn()) redirect({ ...paths.login({ redirect: location.href }), throw: true });
    try {
      const me = await queryClient.ensureQueryData(meQuery);
      // The reminder's text depends on it, and would move the page when it changes.
      const isKnown = queryClient.getQueryData(methodsQuery.queryKey) !== undefined;
      if (!me.is_verified && !isKnown) {
        await queryClient.prefetchQuery({ ...methodsQuery, retry: false });
      }
    } catch (error) {
      if (error instanceof ApiError && error.status === 401)
        redirect({ ...paths.login({ redirect: location.href, ended: true }), throw: true });
      throw error;
    }
  },
});

/** Nothing links to redirects, so link types omit them. */
const redirectRoutes: object = Object.fromEntries(
  Object.entries(redirects).map(([path, to]) => [
    path,
    createRoute({
      getParentRoute: () => app,
      path,
      beforeLoad: () => {
        redirect({ to, replace: true, throw: true });
      },
    }),
  ]),
);

export const router = createRouter({
  routeTree: root.addChildren({
    ...routesOf(publicPages, root),
    app: app.addChildren({ ...routesOf(signedInPages, app), ...redirectRoutes }),
  }),
  defaultPreload: "intent",
  // The query client decides on staleness; a loader whose data is cached returns at once.
  defaultStaleReloadMode: "blocking",
  defaultPendingMinMs: 0,
  defaultErrorComponent: CrashPage,
  defaultNotFoundComponent: NotFoundPage,
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
