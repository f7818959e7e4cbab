import type { PermissionExplanation } from "#shared/api/organization/organizations.js";
import {
  excessPermissions,
  expand,
  grants,
  isWithheldFrom,
  matches,
  patternsFor,
  permissionNames,
  type Permission,
} from "#shared/permissions.js";
import { AppError } from "../errors.js";
import type { Actor, ActorKey } from "./authenticate.js";
import { budgetFields } from "#shared/api/organization/budgets.js";

/** An actor's current permissions in one organization. */
export interface Access {
  orgId: string;
  archived: boolean;
  membershipId: string;
  role: string;
  /** The role's patterns, including inherited ones, each with the role that contains it. */
  sources: readonly { via: string; pattern: string }[];
  /**
   * Patterns granted by the credential: `*:*` for a session, the scopes in this organization for a key.
   * An agent's key is also limited to the permissions of its creator.
   */
  scopes: readonly string[];
  /** Records that a key used a permission. */
  used: (permission: string) => void;
}

/** Memoizes a value derived from an immutable object and a text for the object's lifetime. */
type Memo<Of extends object, Result> = WeakMap<Of, Map<string, Result>>;

const scopesOfKeys: Memo<ActorKey, readonly string[]> = new WeakMap();
const allowed: Memo<Access["sources"], readonly Permission[]> = new WeakMap();
const agentScopesOf: Memo<Access["sources"], readonly string[]> = new WeakMap();

function remembered<Of extends object, Result>(
  memory: Memo<Of, Result>,
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

/** Returns the patterns that the credential grants in an organization. */
export function scopesIn({ key }: Pick<Actor, "key">, orgId: string): readonly string[] {
  if (!key) return fullScopes;
  return remembered(scopesOfKeys, key, orgId, () => {
    if (key.lockedOutOf.includes(orgId)) return [];
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
 * Explains why an actor has a permission: the granting role and the credential's grant. Enforcement
 * uses the same result, and denies what has no explanation.
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

/** Whether an actor has any of the permissions. */
export function allowsAny(held: Held, permissions: readonly Permission[]): boolean {
  return permissions.some((permission) => allows(held, permission));
}

/** Returns the registered permissions of an actor, in the registry's order. */
export function permissionsOf(held: Held): readonly Permission[] {
  return remembered(allowed, held.sources, held.scopes.join(" "), () =>
    permissionNames.filter((permission) => allows(held, permission)),
  );
}

/** Returns the role's patterns, including inherited ones. */
export function rolePatterns({ sources }: Pick<Held, "sources">): string[] {
  return [...new Set(sources.map(({ pattern }) => pattern))];
}

/**
 * Requires a permission and records its use.
 * @throws AppError 403 `insufficient_permission`, naming the permission
 */
export function requirePermission(access: Access, permission: Permission): void {
  denyMissingPermission(access, permission);
  access.used(permission);
}

/**
 * Like `requirePermission`, for a permission whose use is already recorded.
 * @throws AppError 403
 */
export function denyMissingPermission(access: Access, permission: Permission): void {
  const { allowed, refused_by } = explain(access, permission);
  if (allowed) return;
  throw new AppError(
    "insufficient_permission",
    refused_by === "credential"
      ? `The API key's scopes do not include ${permission}; use a key ${holdersOf(permission)}that has it.`
      : `Your role "${access.role}" does not have ${permission}; ask a member who has it.`,
    { missing_permissions: [permission] },
  );
}

function holdersOf(permission: Permission): string {
  if (isWithheldFrom("service_account", permission)) return "of a person ";
  return isWithheldFrom("agent", permission) ? "of a person or a service account " : "";
}

/** @throws AppError 409 `organization_archived` */
export function requireNotArchived({ archived }: Pick<Access, "archived">): void {
  if (!archived) return;
  throw new AppError(
    "organization_archived",
    "The organization is archived and read-only; its owner can restore it.",
  );
}

/** Returns the wanted permissions that the actor lacks. If there are none, records the use of all. */
export function permissionsBeyond(access: Access, wanted: readonly string[]): Permission[] {
  const beyond = excessPermissions(wanted, heldPatterns(access));
  if (beyond.length === 0) expand(wanted).forEach(access.used);
  return beyond;
}

/** Returns the patterns the actor can grant to others: the role's, limited by the credential. */
export function heldPatterns(access: Pick<Access, "scopes" | "sources">): string[] {
  return patternsWithin(rolePatterns(access), access.scopes);
}

/**
 * Returns the scopes of an agent's credential in an organization: limited to the permissions of its
 * creator and to those that agents have.
 */
export function agentScopes(
  creator: Access["sources"],
  scopes: readonly string[],
): readonly string[] {
  return remembered(agentScopesOf, creator, scopes.join(" "), () =>
    patternsFor("agent", heldPatterns({ sources: creator, scopes })),
  );
}

/** Intersects patterns with scopes. */
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

type Budgets = { [Field in (typeof budgetFields)[number]]?: number | null | undefined };

/**
 * Returns the budgets among the changed fields of a project or an agent, which need a permission of
 * their own.
 * @throws AppError 403
 */
export function changedBudgets(
  access: Access,
  changes: Budgets,
): Partial<Record<keyof Budgets, number | null>> {
  const given = budgetFields.flatMap((field) => {
    const value = changes[field];
    return value === undefined ? [] : [[field, value] as const];
  });
  if (given.length > 0) denyMissingPermission(access, "org:limits:write");
  return Object.fromEntries(given);
}
