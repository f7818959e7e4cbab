/*
 * The pages of the web app, each declared once. The web app adds the component, search parameters and data
 * of each page (src/web/app/routes.tsx); links (src/web/paths/paths.ts), the server's answer to a page
 * request (src/server/pages) and the build (vite.config.ts) derive the rest.
 */

interface PageDeclaration {
  /** Variable segments begin with a dollar sign. */
  path: `/${string}`;
  /** Shown without a session. */
  isPublic?: true;
}

/** The first path that matches an address wins. */
export const pages = {
  login: { path: "/login", isPublic: true },
  register: { path: "/register", isPublic: true },
  forgotPassword: { path: "/forgot-password", isPublic: true },
  resetPassword: { path: "/reset-password", isPublic: true },
  verifyEmail: { path: "/verify-email", isPublic: true },
  invitation: { path: "/invitations/$token", isPublic: true },

  welcome: { path: "/welcome" },
  home: { path: "/" },
  organizations: { path: "/organizations" },
  newOrganization: { path: "/organizations/new" },
  organization: { path: "/organizations/$orgId" },
  organizationSettings: { path: "/organizations/$orgId/settings" },
  statement: { path: "/organizations/$orgId/statements/$period" },
  projects: { path: "/projects" },
  project: { path: "/projects/$projectId" },
  projectAgents: { path: "/projects/$projectId/agents" },
  projectMerges: { path: "/projects/$projectId/merges" },
  projectBranches: { path: "/projects/$projectId/branches" },
  projectSettings: { path: "/projects/$projectId/settings" },
  mergeRequest: { path: "/projects/$projectId/merge-requests/$requestId" },
  build: { path: "/projects/$projectId/builds/$runId" },
  agents: { path: "/agents" },
  agent: { path: "/agents/$agentId" },
  session: { path: "/agents/$agentId/sessions/$sessionId" },
  agentChanges: { path: "/agents/$agentId/changes" },
  agentConflicts: { path: "/agents/$agentId/conflicts" },
  agentRuns: { path: "/agents/$agentId/runs" },
  agentSettings: { path: "/agents/$agentId/settings" },
  run: { path: "/agents/$agentId/runs/$runId" },
  workspace: { path: "/agents/$agentId/workspace" },
  commit: { path: "/agents/$agentId/workspace/commits/$sha" },
  merge: { path: "/agents/$agentId/workspace/merges/$mergeId" },
  newMerge: { path: "/agents/$agentId/workspace/merge" },
  sync: { path: "/agents/$agentId/workspace/sync" },
  revert: { path: "/agents/$agentId/workspace/merges/$mergeId/revert" },
  restore: { path: "/agents/$agentId/workspace/merges/$mergeId/restore" },
  device: { path: "/device" },
  profile: { path: "/settings/profile" },
  security: { path: "/settings/security" },
  notifications: { path: "/settings/notifications" },
  apiKeys: { path: "/settings/api-keys" },
  newApiKey: { path: "/settings/api-keys/new" },
  apiKey: { path: "/settings/api-keys/$keyId" },
  admin: { path: "/admin" },
  adminUser: { path: "/admin/users/$userId" },
  adminServer: { path: "/admin/servers/$nodeId" },
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
  /** Values of the path's variables, encoded as in the address: `$orgId`. */
  variables: Map<string, string>;
  /** Shown without a session. */
  isPublic: boolean;
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
  const [name, page] = declarations.find((one) => fits(one[1].path, path)) ?? [];
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

function variablesIn(pathname: string, pattern: string): Map<string, string> {
  const parts = pathname.split("/");
  const named = pattern.split("/").map((part, at) => [part, parts[at] ?? ""] as const);
  return new Map(named.filter(([part]) => part.startsWith("$")));
}
