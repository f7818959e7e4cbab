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
  /**
   * The first API requests of the page, beside those for the user and the user's organizations. The server
   * sends the responses along with the page. Each step may use the variables of the path and those that
   * earlier responses have set: `$orgId` and `$projectId`; `$firstOrgId`, the first organization, which is
   * the current one unless the user has switched; `$firstAgentId`, the first agent with a workspace;
   * `$shortSha`, a commit whose diff is short enough to send along.
   */
  preloads?: readonly (readonly string[])[];
}

/** The first path that matches an address wins. */
export const pages = {
  login: { path: "/login", isPublic: true },
  register: { path: "/register", isPublic: true },
  forgotPassword: { path: "/forgot-password", isPublic: true },
  resetPassword: { path: "/reset-password", isPublic: true },
  verifyEmail: { path: "/verify-email", isPublic: true },
  invitation: { path: "/invitations/$token", isPublic: true },

  welcome: {
    path: "/welcome",
    preloads: [
      ["/auth/api-keys?limit=200"],
      [
        "/projects?limit=200&organization_id=$firstOrgId",
        "/agents?limit=200&organization_id=$firstOrgId",
      ],
      ["/agents/$firstAgentId/workspace"],
    ],
  },
  home: {
    path: "/",
    preloads: [
      [],
      [
        "/organizations/$firstOrgId/attention?limit=200",
        "/organizations/$firstOrgId/work?limit=200&running=true",
        "/organizations/$firstOrgId/permissions",
        "/organizations/$firstOrgId",
      ],
    ],
  },
  organizations: { path: "/organizations" },
  newOrganization: { path: "/organizations/new" },
  organization: {
    path: "/organizations/$orgId",
    preloads: [
      ["/organizations/$orgId"],
      [
        "/organizations/$orgId/usage",
        "/projects?limit=200&organization_id=$orgId",
        "/organizations/$orgId/members?limit=200",
        "/organizations/$orgId/permissions",
      ],
    ],
  },
  organizationSettings: {
    path: "/organizations/$orgId/settings",
    preloads: [["/organizations/$orgId"], ["/organizations/$orgId/permissions"]],
  },
  statement: { path: "/organizations/$orgId/statements/$period" },
  projects: { path: "/projects" },
  project: {
    path: "/projects/$projectId",
    preloads: [
      [
        "/projects/$projectId",
        "/projects/$projectId/radar",
        "/projects/$projectId/merge-queue?limit=200",
        "/agents?limit=200&project_id=$projectId",
        "/projects/$projectId/merges?limit=5",
      ],
      ["/organizations/$orgId", "/organizations/$orgId/permissions"],
    ],
  },
  projectAgents: {
    path: "/projects/$projectId/agents",
    preloads: [
      ["/projects/$projectId"],
      [
        "/organizations/$orgId",
        "/organizations/$orgId/permissions",
        "/organizations/$orgId/work?limit=200&project_id=$projectId",
      ],
    ],
  },
  projectMerges: {
    path: "/projects/$projectId/merges",
    preloads: [
      ["/projects/$projectId", "/projects/$projectId/merge-queue?limit=200"],
      ["/organizations/$orgId", "/organizations/$orgId/permissions"],
    ],
  },
  projectBranches: {
    path: "/projects/$projectId/branches",
    preloads: [
      ["/projects/$projectId", "/projects/$projectId/branches?limit=20"],
      ["/organizations/$orgId", "/organizations/$orgId/permissions"],
    ],
  },
  projectSettings: {
    path: "/projects/$projectId/settings",
    preloads: [
      ["/projects/$projectId", "/projects/$projectId/checks?limit=200"],
      ["/organizations/$orgId", "/organizations/$orgId/permissions"],
    ],
  },
  mergeRequest: {
    path: "/projects/$projectId/merge-requests/$requestId",
    preloads: [["/projects/$projectId", "/merge-requests/$requestId"]],
  },
  build: {
    path: "/projects/$projectId/builds/$runId",
    preloads: [
      ["/projects/$projectId", "/runs/$runId"],
      ["/organizations/$orgId", "/organizations/$orgId/permissions"],
    ],
  },
  agents: {
    path: "/agents",
    preloads: [
      [],
      [
        "/organizations/$firstOrgId/usage",
        "/organizations/$firstOrgId/work?limit=200",
        "/projects?limit=200&organization_id=$firstOrgId",
        "/organizations/$firstOrgId/permissions",
      ],
    ],
  },
  agent: {
    path: "/agents/$agentId",
    preloads: [
      ["/agents/$agentId", "/sandbox", "/agents/$agentId/runs?limit=25"],
      ["/organizations/$orgId", "/organizations/$orgId/permissions", "/projects/$projectId"],
    ],
  },
  run: {
    path: "/agents/$agentId/runs/$runId",
    preloads: [
      ["/agents/$agentId", "/runs/$runId"],
      ["/organizations/$orgId", "/organizations/$orgId/permissions"],
    ],
  },
  workspace: {
    path: "/agents/$agentId/workspace",
    preloads: [
      ["/agents/$agentId", "/agents/$agentId/workspace"],
      ["/organizations/$orgId", "/organizations/$orgId/permissions", "/projects/$projectId"],
    ],
  },
  commit: {
    path: "/agents/$agentId/workspace/commits/$sha",
    preloads: [
      ["/agents/$agentId", "/agents/$agentId/workspace/commits/$sha"],
      [
        "/organizations/$orgId",
        "/projects/$projectId",
        "/agents/$agentId/workspace/commits/$shortSha/diff",
      ],
    ],
  },
  merge: {
    path: "/agents/$agentId/workspace/merges/$mergeId",
    preloads: [
      ["/agents/$agentId", "/agents/$agentId/workspace/merges/$mergeId"],
      ["/organizations/$orgId", "/projects/$projectId"],
    ],
  },
  newMerge: { path: "/agents/$agentId/workspace/merge" },
  sync: { path: "/agents/$agentId/workspace/sync" },
  revert: { path: "/agents/$agentId/workspace/merges/$mergeId/revert" },
  restore: { path: "/agents/$agentId/workspace/merges/$mergeId/restore" },
  profile: { path: "/settings/profile", preloads: [["/auth/methods"]] },
  security: { path: "/settings/security" },
  apiKeys: { path: "/settings/api-keys", preloads: [["/auth/api-keys?limit=200"]] },
  newApiKey: { path: "/settings/api-keys/new" },
  apiKey: { path: "/settings/api-keys/$keyId" },
  admin: { path: "/admin" },
  adminUser: { path: "/admin/users/$userId" },
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

/** The API requests whose responses are sent along with a page, step by step. */
export function preloadsOf(name: PageName | undefined): readonly (readonly string[])[] {
  const page: PageDeclaration | undefined = name && pages[name];
  return page?.preloads ?? [];
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
