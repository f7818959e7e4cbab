/** Addresses of pages, as patterns whose variable parts begin with a dollar sign: "/agents/$agentId". */

/** Those that somebody signed out may see. */
export const publicPatterns = [
  "/login",
  "/register",
  "/forgot-password",
  "/reset-password",
  "/verify-email",
  "/invitations/$token",
] as const;

/** Those that need somebody signed in. Where two fit an address, the first one is meant. */
export const signedInPatterns = [
  "/welcome",
  "/organizations",
  "/organizations/new",
  "/organizations/$orgId",
  "/organizations/$orgId/settings",
  "/organizations/$orgId/statements/$period",
  "/projects",
  "/projects/$projectId",
  "/agents",
  "/agents/$agentId",
  "/agents/$agentId/runs/$runId",
  "/agents/$agentId/workspace",
  "/agents/$agentId/workspace/commits/$sha",
  "/agents/$agentId/workspace/merges/$mergeId",
  "/agents/$agentId/workspace/merge",
  "/agents/$agentId/workspace/sync",
  "/agents/$agentId/workspace/merges/$mergeId/revert",
  "/agents/$agentId/workspace/merges/$mergeId/restore",
  "/settings/profile",
  "/settings/security",
  "/settings/api-keys",
  "/settings/api-keys/new",
  "/settings/api-keys/$keyId",
  "/admin",
  "/admin/users/$userId",
] as const;

/** Addresses that lead to a page of another address. */
const redirects: Readonly<Record<string, SignedInPattern>> = {
  "/": "/organizations",
  "/settings": "/settings/profile",
};

export type PublicPattern = (typeof publicPatterns)[number];
export type SignedInPattern = (typeof signedInPatterns)[number];

interface FirstPage {
  /** Undefined where no page has the address. */
  pattern: PublicPattern | SignedInPattern | undefined;
  /** What stands in the variable parts, as it is written in the address. */
  variables: Map<string, string>;
  /** Whether it does not ask who is signed in. */
  isPublic: boolean;
}

/** Whether there is a page at an address, for whoever may see it. */
export function isPageAddress(pathname: string): boolean {
  const path = pathname.replace(/(?<=[^/])\/$/, "");
  return (
    Object.hasOwn(redirects, path) ||
    [...publicPatterns, ...signedInPatterns].some((one) => fits(one, path))
  );
}

/** Which page an address shows; whoever is not signed in is sent to sign in. */
export function pageAt(pathname: string, mayBeSignedIn: boolean): FirstPage {
  const open = publicPatterns.find((pattern) => fits(pattern, pathname));
  if (open !== undefined || !mayBeSignedIn) {
    return { pattern: open ?? "/login", variables: new Map(), isPublic: true };
  }
  const path = redirects[pathname] ?? pathname;
  const pattern = signedInPatterns.find((one) => fits(one, path));
  return { pattern, variables: variablesOf(pattern ?? "", path), isPublic: false };
}

function fits(pattern: string, pathname: string): boolean {
  const parts = pathname.split("/");
  const wanted = pattern.split("/");
  return (
    parts.length === wanted.length &&
    wanted.every((part, at) => part.startsWith("$") || part === parts[at])
  );
}

function variablesOf(pattern: string, pathname: string): Map<string, string> {
  const parts = pathname.split("/");
  const named = pattern.split("/").map((part, at) => [part, parts[at] ?? ""] as const);
  return new Map(named.filter(([part]) => part.startsWith("$")));
}
