import { expand, grants, isKnownPattern, matches } from "#shared/permissions.js";
import type { Database } from "../../../db/connection/connect.js";
import { AppError, invalidField } from "../../../errors.js";
import type { Actor } from "../../../access/authenticate.js";
import { scopesIn } from "../../../access/access.js";
import * as queries from "./api-keys.queries.js";

/*
 * Scopes as stored: `*:*`, or `org:<organization id>:<pattern>`, where `*` stands for `*:*`. On the
 * wire the organization's slug replaces its id.
 */

const scopeShape = /^org:([^:]+):(.+)$/;

/** Returns the organization id of a stored scope, or null for `*:*`. */
export function organizationOf(scope: string): string | null {
  return scopeShape.exec(scope)?.[1] ?? null;
}

/** Returns the ids of all organizations that the scopes name. */
export function organizationsIn(scopes: readonly string[]): string[] {
  return [...new Set(scopes.map(organizationOf))].filter((id) => id !== null);
}

/** Returns the id of the only organization that the scopes name; null for several or for `*:*`. */
export function onlyOrganization(scopes: readonly string[]): string | null {
  const orgIds = new Set(scopes.map(organizationOf));
  return orgIds.size === 1 ? ([...orgIds][0] ?? null) : null;
}

/** Returns the permission patterns that the scopes grant in an organization. */
export function patternsIn(scopes: readonly string[], orgId: string): string[] {
  return scopes.flatMap((scope) => {
    if (scope === "*:*") return ["*:*"];
    if (organizationOf(scope) !== orgId) return [];
    const pattern = scope.slice(`org:${orgId}:`.length);
    return [pattern === "*" ? "*:*" : pattern];
  });
}

export const scopeFor = (orgId: string, pattern: string): string =>
  `org:${orgId}:${pattern === "*:*" ? "*" : pattern}`;

export function presentScope(scope: string, slugs: ReadonlyMap<string, string>): string {
  const orgId = organizationOf(scope);
  return orgId === null ? scope : scope.replace(orgId, slugs.get(orgId) ?? orgId);
}

/** Whether each scope is within one of the wider scopes. */
export function areWithin(wide: readonly string[], scopes: readonly string[]): boolean {
  return scopes.every((scope) => wide.some((own) => scopeCovers(own, scope)));
}

/** Whether every scope is within the credential's scopes and names no organization that blocked it. */
export function scopesWithin({ key }: Actor, scopes: readonly string[]): boolean {
  if (!key) return true;
  const isLockedOut = organizationsIn(scopes).some((orgId) => key.lockedOutOf.includes(orgId));
  return !isLockedOut && areWithin(key.scopes, scopes);
}

function scopeCovers(wide: string, narrow: string): boolean {
  if (wide === "*:*" || wide === narrow) return true;
  const [, wideOrg, widePattern = ""] = scopeShape.exec(wide) ?? [];
  const [, narrowOrg, narrowPattern = ""] = scopeShape.exec(narrow) ?? [];
  if (wideOrg === undefined || wideOrg !== narrowOrg) return false;
  return widePattern === "*" || (narrowPattern !== "*" && matches(widePattern, narrowPattern));
}

/** Whether a key may do all that its owner may. The names of such keys are private to their owner. */
export function isFullAccess(scopes: readonly string[]): boolean {
  return scopes.includes("*:*");
}

/** Records a use of the key's full access, which managing keys requires. */
export function recordFullAccessUse({ key }: Actor): void {
  for (const scope of key?.scopes ?? []) {
    const orgId = organizationOf(scope);
    for (const pattern of orgId === null ? ["*:*"] : patternsIn([scope], orgId)) {
      key?.used(orgId, pattern);
    }
  }
}

/**
 * Resolves requested scopes to stored ones.
 * @throws AppError 422 naming the invalid scope
 */
export async function resolveScopes(
  db: Database,
  actor: Actor,
  input: { scopes?: string[] | undefined; organization_id?: string | null | undefined },
): Promise<string[]> {
  const orgId = input.organization_id ?? null;
  let wanted = input.scopes;
  if (orgId !== null) {
    const slug = await visibleSlug(db, actor, orgId);
    wanted ??= [`org:${slug}:*`];
  }
  wanted ??= ["*:*"];
  const slugs = wanted.flatMap((scope) => scopeShape.exec(scope)?.[1] ?? []);
  const organizations = await visibleOrganizations(db, actor, slugs);
  const scopes = wanted.map((scope, index) => {
    if (scope === "*:*") return scope;
    const [, slug, pattern] = scopeShape.exec(scope) ?? [];
    const id = slug === undefined ? undefined : organizations.get(slug);
    if (pattern === undefined) {
      throw invalidScope(index, "must be *:*, org:<slug>:* or org:<slug>:<permission>");
    }
    if (id === undefined) {
      const msg = `names an organization that you are not in: "${slug}"`;
      throw outOfSight(actor, invalidScope(index, msg));
    }
    if (pattern !== "*" && !isKnownPattern(pattern)) {
      throw invalidScope(index, `is not a known permission: "${pattern}"`);
    }
    if (orgId !== null && id !== orgId) {
      throw invalidScope(index, "names another organization than organization_id");
    }
    return scopeFor(id, pattern);
  });
  return [...new Set(scopes)];
}

/** Resolves slugs to the organizations that the caller can see. */
async function visibleOrganizations(
  db: Database,
  actor: Actor,
  slugs: string[],
): Promise<Map<string, string>> {
  const found = await db.withSystem("find the organizations in a key's scopes", (tx) =>
    queries.memberOrganizations(tx, actor.userId, slugs),
  );
  return new Map([...found].filter(([, id]) => scopesIn(actor, id).length > 0));
}

async function visibleSlug(db: Database, actor: Actor, orgId: string): Promise<string> {
  const slugs = await db.withSystem("find the organization of a key", (tx) =>
    queries.slugsOf(tx, [orgId]),
  );
  const slug = slugs.get(orgId);
  if (slug === undefined || !(await visibleOrganizations(db, actor, [slug])).has(slug)) {
    const msg = "names an organization that you are not in";
    throw outOfSight(actor, invalidField("organization_id", msg, "unknown_id"));
  }
  return slug;
}

/** For a scoped key, organizations outside its scopes are indistinguishable from missing ones. */
function outOfSight(actor: Actor, unknown: AppError): AppError {
  const isOfAll = actor.key?.scopes.includes("*:*") && actor.key.lockedOutOf.length === 0;
  return !actor.key || isOfAll ? unknown : exceedsKeyScopes();
}

export function exceedsKeyScopes(): AppError {
  return new AppError(
    "privilege_escalation",
    "A key can only create keys within its own scopes; sign in to create this one.",
  );
}

export function invalidScope(index: number, message: string): AppError {
  return new AppError("validation_failed", `scopes: ${message}.`, {
    errors: [{ loc: ["body", "scopes", index], msg: message, type: "invalid_scope" }],
  });
}

/** A granted permission check. A null organization means wherever the key acts. */
export interface PermissionUse {
  organization_id: string | null;
  permission: string;
}

/**
 * Returns the smallest scopes that would have allowed all recorded uses, or null if they are not
 * smaller. A wildcard stays if every permission it covers was used.
 * @param actsIn ids of the organizations where the key can act
 */
export function suggestScopes(
  scopes: readonly string[],
  actsIn: readonly string[],
  uses: readonly PermissionUse[],
): string[] | null {
  const isWhole = uses.some(
    ({ organization_id, permission }) => organization_id === null && permission === "*:*",
  );
  if (isWhole) return null;
  const fewer = actsIn.flatMap((orgId) => {
    const own = patternsIn(scopes, orgId);
    const used = uses
      .filter(({ organization_id }) => organization_id === null || organization_id === orgId)
      .map(({ permission }) => permission);
    const whole = own.filter((pattern) =>
      expand([pattern]).every((permission) => grants(used, permission)),
    );
    const single = used.filter((pattern) => grantsPattern(own, pattern));
    const kept = single.filter((pattern) => !grantsPattern(whole, pattern));
    return [...new Set([...whole, ...kept])].toSorted().map((pattern) => scopeFor(orgId, pattern));
  });
  const isFewer = scopes.includes("*:*") || !areWithin(fewer, scopes);
  return fewer.length > 0 && isFewer ? fewer : null;
}

function grantsPattern(patterns: readonly string[], wanted: string): boolean {
  return patterns.some(
    (own) => own === "*:*" || own === wanted || (wanted !== "*:*" && matches(own, wanted)),
  );
}
