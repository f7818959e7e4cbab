/*
 * The pages of the web app, each declared once with its data. The web app adds the component and the search
 * parameters of each page (src/web/app/routes.tsx); what it loads, links (src/web/paths/paths.ts), the
 * server's answer to a page request (src/server/pages) and the build (vite.config.ts) derive the rest.
 */
import type { SourceName, Variables } from "./page-data.js";

interface PageDeclaration {
  /** Variable segments begin with a dollar sign. */
  path: `/${string}`;
  /** Shown without a session. */
  isPublic?: true;
  /** Whether the page shows the user's current organization; else the path tells the organization. */
  isOfCurrent?: true;
  /** Data without which the page is not shown. */
  load?: readonly SourceName[];
  /** Data of the page's parts, each of which shows its own errors. */
  parts?: readonly SourceName[];
}

/** Permissions decide which controls of a page are enabled. */
const access = ["organization", "permissions"] as const;
/** The data of an agent's heading and tabs. */
const aroundAgent = [...access, "project"] as const;

/** The first path that matches an address wins. */
export const pages = {
  login: { path: "/login", isPublic: true, parts: ["signInMethods"] },
  register: { path: "/register", isPublic: true, parts: ["signInMethods"] },
  forgotPassword: { path: "/forgot-password", isPublic: true, parts: ["signInMethods"] },
  resetPassword: { path: "/reset-password", isPublic: true },
  verifyEmail: { path: "/verify-email", isPublic: true },
  invitation: { path: "/invitations/$token", isPublic: true, load: ["invitation"], parts: ["me"] },

  welcome: {
    path: "/welcome",
    isOfCurrent: true,
    load: ["apiKeys", "projects", "agents", "firstWorkspace"],
  },
  home: {
    path: "/",
    isOfCurrent: true,
    load: ["organizations"],
    parts: ["attention", "runningWork", "permissions", "organization"],
  },
  organizations: { path: "/organizations", load: ["organizations"] },
  newOrganization: { path: "/organizations/new" },
  // The list has the counts, the role, and which organization is current.
  organization: {
    path: "/organizations/$orgId",
    load: ["organization", "organizations"],
    parts: ["usage", "projects", "members", "permissions", "timeline"],
  },
  organizationSettings: {
    path: "/organizations/$orgId/settings",
    load: ["organization"],
    parts: ["permissions"],
  },
  forgeDeliveries: {
    path: "/organizations/$orgId/forges/$forgeId/deliveries",
    load: ["forge"],
    parts: ["organization", "permissions"],
  },
  statement: {
    path: "/organizations/$orgId/statements/$period",
    load: ["statement"],
    parts: ["organization"],
  },
  projects: { path: "/projects", isOfCurrent: true, load: ["projects"] },
  project: {
    path: "/projects/$projectId",
    load: ["project"],
    parts: ["radar", "mergeQueue", "projectAgents", "recentMerges", ...access],
  },
  projectAgents: {
    path: "/projects/$projectId/agents",
    load: ["project"],
    parts: [...access, "projectWork"],
  },
  projectTasks: {
    path: "/projects/$projectId/tasks",
    load: ["project"],
    parts: [...access, "projectTasks"],
  },
  projectMerges: {
    path: "/projects/$projectId/merges",
    load: ["project"],
    parts: ["mergeQueue", "endedRequests", "merges", ...access],
  },
  projectBranches: {
    path: "/projects/$projectId/branches",
    load: ["project"],
    parts: ["workspaces", "branches", "graph", ...access],
  },
  projectAutomations: {
    path: "/projects/$projectId/automations",
    load: ["project"],
    parts: ["automations", ...access],
  },
  newAutomation: {
    path: "/projects/$projectId/automations/new",
    load: ["project"],
    parts: [...access],
  },
  automation: {
    path: "/projects/$projectId/automations/$automationId",
    load: ["automation"],
    parts: ["project", ...access],
  },
  editAutomation: {
    path: "/projects/$projectId/automations/$automationId/edit",
    load: ["automation"],
    parts: ["project", ...access],
  },
  projectSettings: {
    path: "/projects/$projectId/settings",
    load: ["project"],
    parts: ["checks", "environment", "sandbox", ...access],
  },
  mergeRequest: {
    path: "/projects/$projectId/merge-requests/$requestId",
    load: ["mergeRequest"],
    parts: ["project"],
  },
  build: {
    path: "/projects/$projectId/builds/$runId",
    load: ["run"],
    parts: ["project", ...access],
  },
  tasks: {
    path: "/tasks",
    isOfCurrent: true,
    load: ["organizations"],
    parts: ["tasks", "permissions"],
  },
  task: {
    path: "/tasks/$taskId",
    load: ["task"],
    parts: [...access, "project"],
  },
  agents: {
    path: "/agents",
    isOfCurrent: true,
    load: ["organizations"],
    parts: ["usage", "work", "projects", "permissions"],
  },
  agent: {
    path: "/agents/$agentId",
    load: ["agent", "sessions"],
    parts: ["workspace", "sandbox", ...aroundAgent],
  },
  session: {
    path: "/agents/$agentId/sessions/$sessionId",
    load: ["agent", "session"],
    parts: ["sessions", "workspace", ...aroundAgent],
  },
  agentChanges: {
    path: "/agents/$agentId/changes",
    load: ["agent"],
    parts: ["workspace", "changes", ...aroundAgent],
  },
  agentConflicts: {
    path: "/agents/$agentId/conflicts",
    load: ["agent"],
    parts: ["workspace", ...aroundAgent],
  },
  agentRuns: {
    path: "/agents/$agentId/runs",
    load: ["agent"],
    parts: ["runs", "workspace", "sandbox", ...aroundAgent],
  },
  agentSettings: {
    path: "/agents/$agentId/settings",
    load: ["agent"],
    parts: ["workspace", "sandbox", ...aroundAgent],
  },
  run: { path: "/agents/$agentId/runs/$runId", load: ["run"], parts: ["agent", ...access] },
  workspace: {
    path: "/agents/$agentId/workspace",
    load: ["agent"],
    parts: ["workspace", ...aroundAgent],
  },
  commit: {
    path: "/agents/$agentId/workspace/commits/$sha",
    load: ["commit"],
    parts: ["agent", "organization", "project", "diff"],
  },
  merge: {
    path: "/agents/$agentId/workspace/merges/$mergeId",
    load: ["merge"],
    parts: ["agent", "organization", "project"],
  },
  newMerge: { path: "/agents/$agentId/workspace/merge", load: ["workspace"] },
  sync: { path: "/agents/$agentId/workspace/sync", load: ["workspace"] },
  revert: { path: "/agents/$agentId/workspace/merges/$mergeId/revert", load: ["merge"] },
  restore: { path: "/agents/$agentId/workspace/merges/$mergeId/restore", load: ["merge"] },
  device: { path: "/device", parts: ["me"] },
  profile: { path: "/settings/profile", load: ["me"], parts: ["signInMethods"] },
  security: { path: "/settings/security" },
  notifications: { path: "/settings/notifications", load: ["notificationSettings"] },
  apiKeys: { path: "/settings/api-keys", load: ["apiKeys"] },
  newApiKey: { path: "/settings/api-keys/new" },
  apiKey: { path: "/settings/api-keys/$keyId", load: ["apiKey"] },
  admin: { path: "/admin" },
  adminUser: { path: "/admin/users/$userId", load: ["user"] },
  adminServer: { path: "/admin/servers/$nodeId", load: ["node", "nodes"], parts: ["nodeProjects"] },
} as const satisfies Record<string, PageDeclaration>;

/** Addresses that lead to the page of another address. */
export const redirects = {
  "/settings": "/settings/profile",
} as const;

export type PageName = keyof typeof pages;
/** Pages that are shown without a session. */
export type PublicPageName = {
  [Name in PageName]: (typeof pages)[Name] extends { isPublic: true } ? Name : never;
}[PageName];
export type PagePath<Name extends PageName = PageName> = (typeof pages)[Name]["path"];

/** The names of a path's variable segments: "agentId" of "/agents/$agentId". */
export type VariablesOf<Path extends string> = Path extends `${infer Segment}/${infer Rest}`
  ? [...VariableOf<Segment>, ...VariablesOf<Rest>]
  : VariableOf<Path>;
type VariableOf<Segment extends string> = Segment extends `$${infer Name}` ? [Name] : [];

interface RequestedPage {
  /** Undefined where no page has the address. */
  name: PageName | undefined;
  /** Values of the path's variables, encoded as in the address. */
  variables: Variables;
  /** Shown without a session. */
  isPublic: boolean;
}

/** Returns the data that a page names. */
export function dataOf(name: PageName): Pick<PageDeclaration, "isOfCurrent" | "load" | "parts"> {
  const page: PageDeclaration = pages[name];
  return page;
}

const declarations = Object.entries(pages) as [PageName, PageDeclaration][];

/** Tells whether a page exists at an address, independent of access. */
export function isPageAddress(pathname: string): boolean {
  const path = pathname.replace(/(?<=[^/])\/$/, "");
  return Object.hasOwn(redirects, path) || declarations.some(([, page]) => fits(page.path, path));
}

/** Returns the page that an address shows; without a session, the sign-in takes the place of most. */
export function pageAt(pathname: string, mayBeSignedIn: boolean): RequestedPage {
  const path = redirects[pathname as keyof typeof redirects] ?? pathname;
  const [name, page] = declarations.find((entry) => fits(entry[1].path, path)) ?? [];
  if (page?.isPublic) return { name, variables: new Map(), isPublic: true };
  if (!mayBeSignedIn) return { name: "login", variables: new Map(), isPublic: true };
  return { name, variables: variablesIn(path, page?.path ?? ""), isPublic: false };
}

function fits(pattern: string, pathname: string): boolean {
  const parts = pathname.split("/");
  const wanted = pattern.split("/");
  return (
    parts.length === wanted.length &&
    wanted.every((part, at) => part.startsWith("$") || part === parts[at])
  );
}

function variablesIn(pathname: string, pattern: string): Variables {
  const parts = pathname.split("/");
  const named = pattern.split("/").map((part, at) => [part, parts[at] ?? ""] as const);
  return new Map(
    named.filter(([part]) => part.startsWith("$")).map(([part, value]) => [part.slice(1), value]),
  );
}
