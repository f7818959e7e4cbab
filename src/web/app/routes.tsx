import { createRootRoute, createRoute, createRouter, redirect } from "@tanstack/react-router";
import { type PublicPageName, redirects } from "#shared/pages.js";
import { isUuid } from "#shared/uuid.js";
import { selectOrganization } from "../access/current-organization.js";
import { mayBeSignedIn } from "../access/signed-in.js";
import { ApiError } from "../api/client.js";
import { cursorPageQuery } from "../api/cursor-pages.js";
import {
  adminUserQuery,
  nodeChoicesQuery,
  nodeProjectList,
  nodeQuery,
} from "../api/queries/admin.js";
import { agentQuery, agentsQuery, hasBranch } from "../api/queries/execution/agents.js";
import { notificationSettingsQuery } from "../api/queries/organization/notifications.js";
import { apiKeyQuery, apiKeysQuery } from "../api/queries/organization/api-keys.js";
import { meQuery, methodsQuery } from "../api/queries/identity/auth.js";
import { offerQuery } from "../api/queries/organization/invitations.js";
import {
  membersQuery,
  organizationQuery,
  organizationsQuery,
  permissionsQuery,
  usageQuery,
} from "../api/queries/organization/organizations.js";
import { attentionQuery, workQuery } from "../api/queries/organization/overview.js";
import { environmentQuery } from "../api/queries/projects/environments.js";
import { graphQuery, shownCommits } from "../api/queries/projects/graph.js";
import {
  checksQuery,
  endedRequestPagesQuery,
  mergeQueueQuery,
  mergeRequestQuery,
} from "../api/queries/projects/merge-queue.js";
import {
  branchList,
  projectMergePagesQuery,
  projectQuery,
  projectsQuery,
  recentMergesQuery,
  workspacePagesQuery,
} from "../api/queries/projects/projects.js";
import { projectRadarQuery } from "../api/queries/projects/radar.js";
import { runList, runQuery, sandboxQuery } from "../api/queries/execution/runs.js";
import { sessionList, sessionQuery } from "../api/queries/execution/sessions.js";
import {
  defaultTimelineHours,
  statementQuery,
  timelineQuery,
} from "../api/queries/organization/usage.js";
import {
  changesQuery,
  commitQuery,
  diffQuery,
  mergeQuery,
  workspaceQuery,
} from "../api/queries/projects/workspaces.js";
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
  tokenOf,
  workspaceSearchOf,
  workspaceTabOf,
} from "../paths/address-search.js";
import { paths } from "../paths/paths.js";
import { type PageEntries, routesOf } from "./page-routes.js";
import { AppShell } from "./shell/app-shell.js";
import { CrashPage } from "./shell/CrashPage.js";
import { NotFoundPage } from "./shell/NotFoundPage.js";
import { RootLayout } from "./shell/root-layout.js";

/** Every page of `#shared/pages.js`, with its component, search parameters and data. */
const publicPages = {
  login: {
    search: loginSearchOf,
    title: "Sign in",
    // Without any account, the form of the first one takes its place: before anything is typed.
    prefetch: () => [methodsQuery],
    awaitsPrefetch: true,
    component: () => import("../features/auth/LoginPage.js"),
  },
  register: {
    search: redirectOf,
    title: "Create an account",
    // The first account is the administrator's.
    prefetch: () => [methodsQuery],
    awaitsPrefetch: true,
    component: () => import("../features/auth/RegisterPage.js"),
  },
  forgotPassword: {
    title: "Reset your password",
    // Its text depends on whether the server sends email.
    prefetch: () => [methodsQuery],
    awaitsPrefetch: true,
    component: () => import("../features/auth/ForgotPasswordPage.js"),
  },
  resetPassword: {
    search: tokenOf,
    title: "Choose a new password",
    component: () => import("../features/auth/ResetPasswordPage.js"),
  },
  verifyEmail: {
    search: tokenOf,
    title: "Confirm your email address",
    component: () => import("../features/auth/VerifyEmailPage.js"),
  },
  invitation: {
    title: "Invitation",
    load: ({ token }) => [offerQuery(token)],
    // Its actions depend on whether the invited user is signed in.
    prefetch: () => (mayBeSignedIn() ? [meQuery] : []),
    awaitsPrefetch: true,
    component: () => import("../features/invitations/InvitationPage.js"),
  },
} satisfies Pick<PageEntries, PublicPageName>;

const signedInPages = {
  welcome: {
    title: "Getting started",
    load: async () => {
      const organization_id = await currentOrganizationId();
      if (organization_id === undefined) return [apiKeysQuery];
      const ofOrganization = agentsQuery({ organization_id });
      const agent = (await queryClient.fetchQuery(ofOrganization)).find(hasBranch);
      return [
        apiKeysQuery,
        ofOrganization,
        projectsQuery(organization_id),
        ...(agent ? [workspaceQuery(agent.id)] : []),
      ];
    },
    // A preview that appears later would shift the steps below it.
    prefetch: async () => {
      const organization_id = await currentOrganizationId();
      if (organization_id === undefined) return [];
      const [agents, projects] = await Promise.all([
        queryClient.ensureQueryData(agentsQuery({ organization_id })),
        queryClient.ensureQueryData(projectsQuery(organization_id)),
      ]);
      const agent = agents.find(hasBranch);
      if (agent === undefined || projects.some(({ counts }) => counts.merges > 0)) return [];
      const workspace = await queryClient.ensureQueryData(workspaceQuery(agent.id));
      if (workspace.counts.commits === 0) return [];
      // Not among the scripts of every page.
      const { firstMergeQuery } = await import("../api/queries/projects/merging.js");
      return [firstMergeQuery(workspace)];
    },
    awaitsPrefetch: true,
    component: () => import("../features/welcome/WelcomePage.js"),
  },
  home: {
    title: "Home",
    load: () => [organizationsQuery],
    prefetch: async () => {
      const orgId = await currentOrganizationId();
      if (orgId === undefined) return [];
      return [
        attentionQuery(orgId),
        workQuery(orgId, { running: "true" }),
        permissionsQuery(orgId),
        organizationQuery(orgId),
      ];
    },
    // Sections that appear one by one would shift the layout.
    awaitsPrefetch: true,
    component: () => import("../features/home/HomePage.js"),
  },
  organizations: {
    search: organizationsSearchOf,
    title: "Organizations",
    load: () => [organizationsQuery],
    component: () => import("../features/organizations/OrganizationsPage.js"),
  },
  newOrganization: { component: () => import("../features/organizations/NewOrganizationPage.js") },
  organization: {
    beforeLoad: (entering) => redirectFromSlug(entering),
    title: "Organization",
    noun: "organization",
    // The list has the counts, the role, and which organization is current.
    load: ({ orgId }) => [organizationQuery(orgId), organizationsQuery],
    prefetch: ({ orgId }) => [
      usageQuery(orgId),
      projectsQuery(orgId),
      membersQuery(orgId),
      permissionsQuery(orgId),
      timelineQuery(orgId, defaultTimelineHours),
    ],
    // Cards that appear one by one would shift the layout.
    awaitsPrefetch: true,
    component: () => import("../features/organizations/OrganizationPage.js"),
  },
  organizationSettings: {
    search: settingsSearchOf,
    beforeLoad: (entering) => redirectFromSlug(entering),
    title: "Settings",
    noun: "organization",
    load: ({ orgId }) => [organizationQuery(orgId)],
    prefetch: ({ orgId }) => [permissionsQuery(orgId)],
    component: () => import("../features/organizations/settings/OrganizationSettingsPage.js"),
  },
  statement: {
    beforeLoad: (entering) => redirectFromSlug(entering),
    title: "Statement",
    noun: "statement",
    load: ({ orgId, period }) => [statementQuery(orgId, period)],
    prefetch: ({ orgId }) => [organizationQuery(orgId)],
    component: () => import("../features/usage/StatementPage.js"),
  },
  projects: {
    search: projectsSearchOf,
    title: "Projects",
    load: async () => {
      const orgId = await currentOrganizationId();
      return orgId === undefined ? [] : [projectsQuery(orgId)];
    },
    component: () => import("../features/projects/ProjectsPage.js"),
  },
  project: {
    beforeLoad: (entering) => redirectTo(entering, projectTabOf),
    title: "Project",
    noun: "project",
    load: ({ projectId }) => [projectQuery(projectId)],
    prefetch: ({ projectId }) => [
      projectRadarQuery(projectId),
      mergeQueueQuery(projectId),
      agentsQuery({ project_id: projectId }),
      recentMergesQuery(projectId),
    ],
    // Cards that appear one by one would shift the layout; so in the other tabs.
    awaitsPrefetch: true,
    component: () => import("../features/projects/ProjectPage.js"),
  },
  projectAgents: {
    search: projectAgentsSearchOf,
    title: "Project",
    noun: "project",
    load: ({ projectId }) => [projectQuery(projectId)],
    prefetch: async ({ projectId }) => {
      const { organization_id } = await queryClient.ensureQueryData(projectQuery(projectId));
      return [workQuery(organization_id, { project_id: projectId })];
    },
    awaitsPrefetch: true,
    component: () => import("../features/projects/ProjectAgentsPage.js"),
  },
  projectMerges: {
    search: projectMergesSearchOf,
    title: "Project",
    noun: "project",
    load: ({ projectId }) => [projectQuery(projectId)],
    prefetch: ({ projectId }) => [
      mergeQueueQuery(projectId),
      endedRequestPagesQuery(projectId),
      projectMergePagesQuery(projectId),
    ],
    awaitsPrefetch: true,
    component: () => import("../features/projects/ProjectMergesPage.js"),
  },
  projectBranches: {
    search: projectBranchesSearchOf,
    title: "Project",
    noun: "project",
    load: ({ projectId }) => [projectQuery(projectId)],
    prefetch: async ({ projectId }) => {
      const { status } = await queryClient.ensureQueryData(projectQuery(projectId));
      return [
        workspacePagesQuery(projectId),
        ...(status === "ready"
          ? [cursorPageQuery(branchList(projectId)), graphQuery(projectId, shownCommits)]
          : []),
      ];
    },
    awaitsPrefetch: true,
    component: () => import("../features/projects/repository/ProjectBranchesPage.js"),
  },
  projectSettings: {
    title: "Project",
    noun: "project",
    load: ({ projectId }) => [projectQuery(projectId)],
    prefetch: ({ projectId }) => [
      checksQuery(projectId),
      environmentQuery(projectId),
      sandboxQuery,
    ],
    awaitsPrefetch: true,
    component: () => import("../features/projects/ProjectSettingsPage.js"),
  },
  mergeRequest: {
    title: "Merge request",
    noun: "merge request",
    load: ({ requestId }) => [mergeRequestQuery(requestId)],
    prefetch: ({ projectId }) => [projectQuery(projectId)],
    component: () => import("../features/merge-requests/MergeRequestPage.js"),
  },
  build: {
    title: "Build",
    noun: "build",
    load: ({ runId }) => [runQuery(runId)],
    prefetch: ({ projectId }) => [projectQuery(projectId)],
    component: () => import("../features/runs/BuildPage.js"),
  },
  agents: {
    search: agentsSearchOf,
    title: "Agents",
    load: () => [organizationsQuery],
    prefetch: async () => {
      const orgId = await currentOrganizationId();
      if (orgId === undefined) return [];
      return [workQuery(orgId), projectsQuery(orgId), usageQuery(orgId), permissionsQuery(orgId)];
    },
    component: () => import("../features/agents/AgentsPage.js"),
  },
  agent: {
    search: agentSearchOf,
    beforeLoad: (entering) => redirectTo(entering, agentTabOf),
    title: "Agent",
    noun: "agent",
    load: ({ agentId }) => [agentQuery(agentId), cursorPageQuery(sessionList(agentId))],
    prefetch: ({ agentId }) => [workspaceQuery(agentId), sandboxQuery],
    component: () => import("../features/sessions/AgentPage.js"),
  },
  session: {
    search: dialogSearchOf,
    title: "Session",
    noun: "session",
    load: ({ agentId, sessionId }) => [agentQuery(agentId), sessionQuery(sessionId)],
    prefetch: ({ agentId }) => [cursorPageQuery(sessionList(agentId)), workspaceQuery(agentId)],
    component: () => import("../features/sessions/SessionPage.js"),
  },
  agentChanges: {
    search: dialogSearchOf,
    title: "Agent",
    noun: "agent",
    load: ({ agentId }) => [agentQuery(agentId)],
    prefetch: ({ agentId }) => [workspaceQuery(agentId), changesQuery(agentId)],
    component: () => import("../features/workspaces/AgentChangesPage.js"),
  },
  agentConflicts: {
    search: dialogSearchOf,
    title: "Agent",
    noun: "agent",
    load: ({ agentId }) => [agentQuery(agentId)],
    prefetch: ({ agentId }) => [workspaceQuery(agentId)],
    component: () => import("../features/workspaces/AgentConflictsPage.js"),
  },
  agentRuns: {
    search: agentRunsSearchOf,
    title: "Agent",
    noun: "agent",
    load: ({ agentId }) => [agentQuery(agentId)],
    prefetch: ({ agentId }) => [
      sandboxQuery,
      workspaceQuery(agentId),
      cursorPageQuery(runList(agentId, {})),
    ],
    component: () => import("../features/agents/AgentRunsPage.js"),
  },
  agentSettings: {
    search: dialogSearchOf,
    title: "Agent",
    noun: "agent",
    load: ({ agentId }) => [agentQuery(agentId)],
    prefetch: ({ agentId }) => [workspaceQuery(agentId), sandboxQuery],
    awaitsPrefetch: true,
    component: () => import("../features/workspaces/settings/AgentSettingsPage.js"),
  },
  run: {
    title: "Run",
    noun: "run",
    load: ({ runId }) => [runQuery(runId)],
    prefetch: ({ agentId }) => [agentQuery(agentId)],
    component: () => import("../features/runs/RunPage.js"),
  },
  workspace: {
    search: workspaceSearchOf,
    beforeLoad: (entering) => redirectTo(entering, workspaceTabOf),
    title: "Agent",
    noun: "agent",
    load: ({ agentId }) => [agentQuery(agentId)],
    prefetch: ({ agentId }) => [workspaceQuery(agentId)],
    component: () => import("../features/workspaces/WorkspacePage.js"),
  },
  commit: {
    title: "Commit",
    noun: "commit",
    load: ({ agentId, sha }) => [commitQuery(agentId, sha)],
    prefetch: ({ agentId, sha }) => [agentQuery(agentId), diffQuery(agentId, sha)],
    component: () => import("../features/workspaces/commits/CommitPage.js"),
  },
  merge: {
    title: "Merge",
    noun: "merge",
    load: ({ agentId, mergeId }) => [mergeQuery(agentId, mergeId)],
    prefetch: ({ agentId }) => [agentQuery(agentId)],
    component: () => import("../features/workspaces/merges/MergePage.js"),
  },
  newMerge: {
    search: mergeSearchOf,
    title: "Merge",
    noun: "workspace",
    load: ({ agentId }) => [workspaceQuery(agentId)],
    component: () => import("../features/merging/NewMergePage.js"),
  },
  sync: {
    search: strategyOf,
    title: "Sync",
    noun: "workspace",
    load: ({ agentId }) => [workspaceQuery(agentId)],
    component: () => import("../features/merging/SyncPage.js"),
  },
  revert: {
    search: strategyOf,
    title: "Revert merge",
    noun: "merge",
    load: ({ agentId, mergeId }) => [mergeQuery(agentId, mergeId)],
    component: () => import("../features/merging/RevertPage.js"),
  },
  restore: {
    search: restoreSearchOf,
    title: "Restore the other version",
    noun: "merge",
    load: ({ agentId, mergeId }) => [mergeQuery(agentId, mergeId)],
    component: () => import("../features/merging/RestorePage.js"),
  },
  device: {
    search: codeOf,
    prefetch: () => [meQuery],
    title: "Sign in a program",
    component: () => import("../features/device-login/DevicePage.js"),
  },
  profile: {
    title: "Profile",
    load: () => [meQuery],
    prefetch: () => [methodsQuery],
    awaitsPrefetch: true,
    component: () => import("../features/account/ProfilePage.js"),
  },
  security: {
    search: errorOf,
    component: () => import("../features/account/SecurityPage.js"),
  },
  notifications: {
    title: "Notifications",
    load: () => [notificationSettingsQuery],
    component: () => import("../features/notifications/NotificationsPage.js"),
  },
  apiKeys: {
    search: (search) => listSearchOf(search),
    title: "API Key Management",
    load: () => [apiKeysQuery],
    component: () => import("../features/api-keys/ApiKeysPage.js"),
  },
  newApiKey: { component: () => import("../features/api-keys/NewApiKeyPage.js") },
  apiKey: {
    title: "API key",
    noun: "API key",
    load: ({ keyId }) => [apiKeyQuery(keyId)],
    component: () => import("../features/api-keys/ApiKeyPage.js"),
  },
  admin: {
    search: adminSearchOf,
    title: "Installation",
    component: () => import("../features/admin/AdminPage.js"),
  },
  adminUser: {
    title: "User",
    noun: "user",
    load: ({ userId }) => [adminUserQuery(userId)],
    component: () => import("../features/admin/AdminUserPage.js"),
  },
  adminServer: {
    title: "Server",
    noun: "server",
    load: ({ nodeId }) => [nodeQuery(nodeId), nodeChoicesQuery],
    prefetch: ({ nodeId }) => [cursorPageQuery(nodeProjectList(nodeId))],
    component: () => import("../features/admin/servers/AdminServerPage.js"),
  },
} satisfies Omit<PageEntries, PublicPageName>;

/** Returns the id of the current organization; undefined if the user belongs to none. */
async function currentOrganizationId(): Promise<string | undefined> {
  return selectOrganization(await queryClient.ensureQueryData(organizationsQuery))?.id;
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
        redirect({ ...paths.login({ redirect: location.href }), throw: true });
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
