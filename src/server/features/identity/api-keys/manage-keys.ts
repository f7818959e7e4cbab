import type { ApiKey } from "#shared/api/identity/api-keys.js";
import type { Change } from "../../../db/audit/audit.js";
import type { Database, Queryable } from "../../../db/connection/connect.js";
import { lockOrganizations } from "../../../db/connection/tenant.js";
import { AppError } from "../../../errors.js";
import type { Actor } from "../../../access/authenticate.js";
import { requirePerson } from "../../../access/authorize.js";
import type { ActorContext } from "../../../http/requests/request-context.js";
import {
  lockActive,
  lockCredential,
  parseNetworks,
  networksWithin,
  requireWithinNetworksAndLimit,
} from "./create-key.js";
import { keyAccess } from "./key-access.js";
import * as queries from "./api-keys.queries.js";
import {
  areWithin,
  recordFullAccessUse,
  onlyOrganization,
  organizationsIn,
  resolveScopes,
  scopesWithin,
} from "./scopes.js";
import { presentKeys, presentKey, auditKey } from "./present-key.js";

export interface KeyChanges {
  name?: string | undefined;
  description?: string | null | undefined;
  allowed_ips?: string[] | null | undefined;
  rate_limit_per_minute?: number | null | undefined;
}

/** Lists the actor's keys, newest first. */
export async function listKeys(
  db: Database,
  actor: Actor,
  after: string | null,
  limit: number,
): Promise<ApiKey[]> {
  requirePerson(actor);
  recordFullAccessUse(actor);
  const visible: queries.StoredKey[] = [];
  // A key sees only some of its owner's keys, so reading continues until the page is full.
  for (let from = after; ;) {
    const keys = await db.withSystem("list the user's keys", (tx) =>
      queries.listKeys(tx, actor.userId, from, limit),
    );
    visible.push(...keys.filter((key) => scopesWithin(actor, key.scopes)));
    from = keys.at(-1)?.id ?? null;
    if (keys.length < limit || visible.length >= limit)
      return presentKeys(db, visible.slice(0, limit));
  }
}

export async function readKey(db: Database, actor: Actor, keyId: string): Promise<ApiKey> {
  return presentKey(db, await keyAccess(db, actor, keyId));
}

/**
 * Changes a key's name, description, networks or limit.
 * @throws AppError 403 `privilege_escalation`; 404; 422
 */
export async function updateKey(
  db: Database,
  context: ActorContext,
  keyId: string,
  input: KeyChanges,
): Promise<ApiKey> {
  const { actor } = context;
  const before = await keyAccess(db, actor, keyId);
  const { name, description, allowed_ips, rate_limit_per_minute } = input;
  const changes = {
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    ...(allowed_ips === undefined ? {} : { allowed_ips: parseNetworks(allowed_ips) }),
    ...(rate_limit_per_minute === undefined ? {} : { rate_limit_per_minute }),
  };
  if (Object.keys(changes).length === 0) return presentKey(db, before);
  const after = await db.systemChange(context, async (tx, audit) => {
    await lockOrganizations(tx, organizationsIn(before.scopes));
    const maker = await lockCredential(tx, actor);
    const old = (await queries.lockKey(tx, keyId)) ?? before;
    if (isWider(old, { ...old, ...changes }))
      requireWithinNetworksAndLimit(maker, { ...old, ...changes });
    const changed = (await queries.updateKey(tx, keyId, changes)) ?? old;
    await auditKey(tx, audit, {
      action: "api_key.updated",
      key: changed,
      before: old,
      after: changed,
    });
    return changed;
  });
  return presentKey(db, after);
}

type Use = Pick<queries.StoredKey, "allowed_ips" | "rate_limit_per_minute">;

/** Whether a key's networks or limit became wider. */
function isWider(before: Use, after: Use): boolean {
  const most = before.rate_limit_per_minute;
  const asked = after.rate_limit_per_minute;
  return (
    !networksWithin(before.allowed_ips, after.allowed_ips) ||
    (most !== null && (asked === null || asked > most))
  );
}

/**
 * Reduces a key's scopes.
 * @throws AppError 403 `privilege_escalation` when a scope is not within the current ones; 404; 409
 * `key_not_active`; 422
 */
export async function reduceScopes(
  db: Database,
  context: ActorContext,
  keyId: string,
  wanted: string[],
): Promise<ApiKey> {
  const { actor } = context;
  const seen = await keyAccess(db, actor, keyId);
  const scopes = await resolveScopes(db, actor, { scopes: wanted });
  const after = await db.systemChange(context, async (tx, audit) => {
    await lockOrganizations(tx, organizationsIn(seen.scopes));
    await lockCredential(tx, actor);
    const old = await lockActive(tx, keyId);
    if (!areWithin(old.scopes, scopes)) {
      throw new AppError(
        "privilege_escalation",
        "A key's scopes can only be reduced; create a new key for more.",
      );
    }
    const changes = { scopes, org_id: onlyOrganization(scopes) };
    const narrowed = (await queries.updateKey(tx, keyId, changes)) ?? old;
    const event = { action: "api_key.updated", before: old, after: narrowed } as const;
    // Organizations that leave its scopes get the event, too.
    await auditKey(tx, audit, { ...event, key: old });
    return narrowed;
  });
  return presentKey(db, after);
}

/**
 * Revokes a key; idempotent.
 * @throws AppError 404
 */
export async function revokeKey(db: Database, context: ActorContext, keyId: string): Promise<void> {
  const seen = await keyAccess(db, context.actor, keyId);
  await db.systemChange(context, async (tx, audit) => {
    await lockOrganizations(tx, organizationsIn(seen.scopes));
    const key = await queries.revokeKey(tx, keyId);
    if (!key) return;
    await auditKey(tx, audit, { action: "api_key.revoked", key, before: key, after: null });
  });
}

/** Revokes every key created by a user, including keys of agents. */
export async function revokeKeysOf(
  tx: Queryable,
  audit: (orgId: string, change: Change) => void,
  userId: string,
): Promise<void> {
  for (const key of await queries.revokeKeysOf(tx, userId)) {
    await auditKey(tx, audit, { action: "api_key.revoked", key, before: key, after: null });
  }
}
