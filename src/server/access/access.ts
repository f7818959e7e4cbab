import type { PermissionExplanation } from "#shared/api/organizations.js";
import {
  exceeding,
  expand,
  grants,
  matches,
  permissionNames,
  type Permission,
} from "#shared/permissions.js";
import { AppError } from "../errors.js";
import type { Actor, ActorKey } from "./authenticate.js";

/** What an actor holds in one organization at this moment. */
export interface Access {
  orgId: string;
  archived: boolean;
  membershipId: string;
  role: string;
  /** The role's patterns, inherited ones too, each with the role that it is written in. */
  sources: readonly { via: string; pattern: string }[];
  /**
   * Patterns that the credential grants: `*:*` for a session, the scopes in this organization for a key.
   * An agent's key is also limited to the permissions of its creator.
   */
  scopes: readonly string[];
  /** Counts that a key needed a permission and had it. */
  used: (permission: string) => void;
}

/** What follows from an object that does not change and a text: worked out once while the object lives. */
type Memory<Of extends object, Result> = WeakMap<Of, Map<string, Result>>;

const scopesOfKeys: Memory<ActorKey, readonly string[]> = new WeakMap();
const allowed: Memory<Access["sources"], readonly Permission[]> = new WeakMap();

function remembered<Of extends object, Result>(
  memory: Memory<Of, Result>,
  of: Of,
  text: string,
  make: () => Result,
): Result {
  const known = memory.get(of);
  const found = known?.get(text);
  if (found !== undefined) return found;
  const made = make();
  if (known) known.set(text, made);
  else memory.set(of, new Map([[text, made]]));
  return made;
}

/** The patterns that the credential lets through in an organization. */
export function scopesIn({ key }: Pick<Actor, "key">, orgId: string): readonly string[] {
  if (!key) return fullScopes;
  return remembered(scopesOfKeys, key, orgId, () => {
    if (key.shutOutOf.includes(orgId)) return [];
    const prefix = `org:${orgId}:`;
    return key.scopes.flatMap((scope) => {
      if (scope === "*:*") return ["*:*"];
      if (!scope.startsWith(prefix)) return [];
      const pattern = scope.slice(prefix.length);
      return [pattern === "*" ? "*:*" : pattern];
    });
  });
}

const fullScopes = ["*:*"] as const;

type Held = Pick<Access, "role" | "sources" | "scopes">;

/**
 * Why a standing allows a permission: what of the role grants it, where the credential lets it through.
 * Enforcement is this same answer: what nothing explains is refused.
 */
export function explain(
  { role, sources, scopes }: Held,
  permission: string,
): PermissionExplanation {
  const granting = sources.filter(({ pattern }) => matches(pattern, permission));
  const because = grants(scopes, permission)
    ? granting.map(({ via, pattern }) => ({ role, via, pattern }))
    : [];
  const allowed = because.length > 0;
  const refusedBy = granting.length === 0 ? "role" : "credential";
  return { allowed, because, refused_by: allowed ? null : refusedBy };
}

export function allows(held: Held, permission: string): boolean {
  return explain(held, permission).allowed;
}

/** The registered permissions that a standing allows, in the registry's order. */
export function permissionsOf(held: Held): readonly Permission[] {
  return remembered(allowed, held.sources, held.scopes.join(" "), () =>
    permissionNames.filter((permission) => allows(held, permission)),
  );
}

/** The role's patterns, inherited ones too. */
export function rolePatterns({ sources }: Pick<Held, "sources">): string[] {
  return [...new Set(sources.map(({ pattern }) => pattern))];
}

/**
 * Refuses what the standing does not allow.
 * @throws AppError 403 `insufficient_permission`, naming the permission.
 */
export function requirePermission(access: Access, permission: Permission): void {
  refuseLacking(access, permission);
  access.used(permission);
}

/** As `requirePermission`, for a permission whose use is counted already. @throws AppError 403 */
export function refuseLacking(access: Access, permission: Permission): void {
  const { allowed, refused_by } = explain(access, permission);
  if (allowed) return;
  throw new AppError(
    "insufficient_permission",
    refused_by === "credential"
      ? `The API key's scopes do not cover ${permission}; use a key that has it.`
      : `Your role "${access.role}" does not have ${permission}; ask somebody who has it.`,
    { missing_permissions: [permission] },
  );
}

/** @throws AppError 409 `organization_archived` */
export function refuseArchived({ archived }: Pick<Access, "archived">): void {
  if (!archived) return;
  throw new AppError(
    "organization_archived",
    "The organization is archived and read-only; its owner can restore it.",
  );
}

/** What of the wanted patterns is beyond the standing; where nothing is, all of it counts as used. */
export function permissionsBeyond(access: Access, wanted: readonly string[]): Permission[] {
  const beyond = exceeding(wanted, heldPatterns(access));
  if (beyond.length === 0) expand(wanted).forEach(access.used);
  return beyond;
}

/** All patterns the actor may hand on here: the role's, as far as the credential lets them through. */
export function heldPatterns(access: Pick<Access, "scopes" | "sources">): string[] {
  return patternsWithin(rolePatterns(access), access.scopes);
}

/** The patterns as far as scopes let them through. */
export function patternsWithin(patterns: readonly string[], scopes: readonly string[]): string[] {
  if (scopes.includes("*:*")) return [...patterns];
  return [
    ...scopes.filter((scope) => patterns.some((held) => covers(held, scope))),
    ...patterns.filter((held) => scopes.some((scope) => covers(scope, held))),
  ];
}

function covers(wide: string, narrow: string): boolean {
  return wide === "*:*" || wide === narrow || (narrow !== "*:*" && matches(wide, narrow));
}
