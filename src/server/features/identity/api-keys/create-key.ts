import type { ApiKey } from "#shared/api/identity/api-keys.js";
import { newId } from "../../../db/tables/columns.js";
import type { Database, Queryable } from "../../../db/connection/connect.js";
import { lockOrganizations } from "../../../db/connection/tenant.js";
import { AppError, invalidField } from "../../../errors.js";
import type { Actor } from "../../../access/authenticate.js";
import { requirePerson, resolveAccess } from "../../../access/authorize.js";
import { readAccess } from "../../../access/current-access.js";
import {
  patternsWithin,
  permissionsBeyond,
  requireNotArchived,
  requirePermission,
} from "../../../access/access.js";
import type { Origin } from "../../../db/audit/audit.js";
import { isWithin, normalNetwork } from "#shared/node/networks.js";
import { requireLiveCredential } from "../../../access/person-lock.js";
import { generateKey } from "#shared/node/key-text.js";
import { hashKey, keyDisplay } from "./keyring/key.js";
import * as queries from "./api-keys.queries.js";
import {
  exceedsKeyScopes,
  recordFullAccessUse,
  invalidScope,
  onlyOrganization,
  organizationOf,
  organizationsIn,
  patternsIn,
  resolveScopes,
  scopesWithin,
} from "./scopes.js";
import { keyAccess, type KeyDeps } from "./key-access.js";
import { presentKey, auditKey } from "./present-key.js";

export interface NewKey {
  name: string;
  description?: string | null | undefined;
  scopes?: string[] | undefined;
  organization_id?: string | null | undefined;
  expires_in_days?: number | null | undefined;
  expires_at?: string | null | undefined;
  agent_id?: string | null | undefined;
  allowed_ips?: string[] | null | undefined;
  rate_limit_per_minute?: number | null | undefined;
}

/** A key's scopes, expiry, networks and rate limit. */
type Rights = Pick<
  queries.StoredKey,
  "scopes" | "expires_at" | "allowed_ips" | "rate_limit_per_minute"
>;

/** The actor that creates a key, and how its request arrived. */
interface KeyMaker extends Origin {
  readonly actor: Actor;
}

type CreatedKey = ApiKey & { key: string };

/**
 * Creates a key. Only this response contains its secret.
 * @param claim runs in the same transaction, before the key exists; its error prevents the key
 * @throws AppError 403 `privilege_escalation`, `insufficient_permission`; 422
 */
export async function createKey(
  deps: KeyDeps,
  context: KeyMaker,
  input: NewKey,
  claim?: (tx: Queryable) => Promise<void>,
): Promise<CreatedKey> {
  const { db, settings } = deps;
  const { actor } = context;
  requirePerson(actor);
  recordFullAccessUse(actor);
  const agentId = input.agent_id ?? null;
  const agentOrg = agentId === null ? null : await organizationOfAgent(db, actor, agentId);
  const scopes = await resolveScopes(db, actor, {
    scopes: input.scopes,
    organization_id: input.organization_id ?? agentOrg,
  });
  const rights = {
    scopes,
    expires_at: resolveExpiry(input, settings.maxKeyDays),
    allowed_ips: parseNetworks(input.allowed_ips ?? null),
    rate_limit_per_minute: input.rate_limit_per_minute ?? null,
  };
  const made = newKeyText(deps);
  const stored = await db.systemChange(context, async (tx, audit) => {
    await lockOrganizations(tx, organizationsIn(scopes));
    requireWithinCredential(actor, await lockCredential(tx, actor), rights);
    await claim?.(tx);
    await requireMemberships(tx, actor, scopes);
    if (agentId !== null) await requireAgentKeyAuthority(tx, actor, agentId, scopes);
    const inserted = await queries.insertKey(tx, {
      ...made.values,
      ...rights,
      user_id: actor.userId,
      name: input.name,
      description: input.description ?? null,
      org_id: onlyOrganization(scopes),
      agent_id: agentId,
      // A key inherits its creator's blocked organizations.
      shut_out_of: [...(actor.key?.lockedOutOf ?? [])],
      created_by: actor.userId,
    });
    const event = { action: "api_key.created", key: inserted, before: null } as const;
    await auditKey(tx, audit, { ...event, after: inserted });
    return inserted;
  });
  return { ...(await presentKey(db, stored)), key: made.key };
}

/**
 * Creates a key with the same rights. The old key stays valid for the grace period, but not beyond its
 * own expiry. Concurrent rotations conflict.
 * @throws AppError 403 `privilege_escalation`, `insufficient_permission`; 404; 409 `key_not_active`,
 * `organization_archived`
 */
export async function rotateKey(
  deps: KeyDeps,
  context: KeyMaker,
  keyId: string,
  graceSeconds: number,
): Promise<CreatedKey> {
  const { db } = deps;
  const { actor } = context;
  const seen = await keyAccess(db, actor, keyId);
  const made = newKeyText(deps);
  const stored = await db.systemChange(context, async (tx, audit) => {
    await lockOrganizations(tx, organizationsIn(seen.scopes));
    const maker = await lockCredential(tx, actor);
    // Read again under the lock: the key may have been restricted, blocked or rotated since.
    const old = await lockActive(tx, keyId);
    if (old.agent_id !== null) await requireAgentKeyAuthority(tx, actor, old.agent_id, old.scopes);
    if (old.replaced_by !== null) throw notActive("has already been rotated; rotate the new key");
    requireWithinCredential(actor, maker, old);
    const inserted = await queries.insertKey(tx, {
      ...made.values,
      user_id: old.user_id,
      name: old.name,
      description: old.description,
      scopes: old.scopes,
      org_id: old.organization_id,
      agent_id: old.agent_id,
      expires_at: old.expires_at,
      allowed_ips: old.allowed_ips,
      rate_limit_per_minute: old.rate_limit_per_minute,
      shut_out_of: old.shut_out_of,
      created_by: actor.userId,
    });
    await queries.replaceKey(tx, keyId, inserted.id, graceSeconds);
    await auditKey(tx, audit, {
      action: "api_key.rotated",
      key: old,
      before: old,
      after: inserted,
    });
    return inserted;
  });
  return { ...(await presentKey(db, stored)), key: made.key };
}

/** Generates a key with its stored form. */
export function newKeyText({ settings: { secret, keyPrefix } }: KeyDeps) {
  const key = generateKey(keyPrefix);
  return {
    key,
    values: { id: newId(), key_hash: hashKey(secret, key), ...keyDisplay(keyPrefix, key) },
  };
}

/**
 * Locks an active key.
 * @throws AppError 409 `key_not_active`
 */
export async function lockActive(tx: Queryable, keyId: string): Promise<queries.StoredKey> {
  const key = await queries.lockKey(tx, keyId);
  if (key?.status !== "active") throw notActive("is no longer active; create a new key");
  return key;
}

export function notActive(why: string): AppError {
  return new AppError("key_not_active", `The key ${why}.`);
}

/**
 * Locks the acting credential until the transaction ends and returns the key, if it is one.
 * @throws AppError 401 when it was revoked
 */
export async function lockCredential(tx: Queryable, actor: Actor): Promise<Rights | undefined> {
  await requireLiveCredential(tx, actor);
  const { userId, key } = actor;
  return key ? queries.findKey(tx, userId, key.id) : undefined;
}

/**
 * Requires the user to be a member of every organization in the scopes, whose locks are held.
 * @throws AppError 422
 */
async function requireMemberships(
  tx: Queryable,
  { userId }: Actor,
  scopes: string[],
): Promise<void> {
  const named = organizationsIn(scopes);
  const joined = await queries.activeMemberships(tx, userId, named);
  const index = scopes.findIndex((scope) => {
    const orgId = organizationOf(scope);
    return orgId !== null && !joined.has(orgId);
  });
  if (index !== -1) throw invalidScope(index, "names an organization that you are no longer in");
}

/**
 * Rejects a new key with wider scopes, a later expiry or more networks than the key that creates it.
 * @param mayOutlive whether a later expiry is accepted
 */
export function requireWithinCredential(
  actor: Actor,
  maker: Rights | undefined,
  wanted: Rights,
  { mayOutlive = false } = {},
): void {
  if (!actor.key) return;
  if (!scopesWithin(actor, wanted.scopes)) {
    throw exceedsKeyScopes();
  }
  const end = mayOutlive ? null : (maker?.expires_at ?? null);
  if (end !== null && (wanted.expires_at === null || wanted.expires_at > end)) {
    throw escalation(
      `A key can only create keys that expire at ${end} or earlier, like itself. Sign in on the web to create others.`,
    );
  }
  requireWithinNetworksAndLimit(maker, wanted);
}

/** Rejects networks or a rate limit wider than the acting key's. */
export function requireWithinNetworksAndLimit(
  maker: Rights | undefined,
  wanted: Pick<Rights, "allowed_ips" | "rate_limit_per_minute">,
): void {
  if (maker && !networksWithin(maker.allowed_ips, wanted.allowed_ips)) {
    throw escalation(
      `A key can only allow its own networks, ${maker.allowed_ips?.join(", ")}; sign in to allow others.`,
    );
  }
  const most = maker?.rate_limit_per_minute ?? null;
  const { rate_limit_per_minute: asked } = wanted;
  if (most !== null && (asked === null || asked > most)) {
    throw escalation(`A key can only set a limit up to its own ${most} requests a minute.`);
  }
}

/** Whether each narrow network is contained in a wide one. Null contains everything. */
export function networksWithin(wide: string[] | null, narrow: string[] | null): boolean {
  if (wide === null) return true;
  return narrow?.every((inner) => wide.some((outer) => isWithin(inner, outer))) ?? false;
}

function escalation(detail: string): AppError {
  return new AppError("privilege_escalation", detail);
}

/**
 * Normalizes networks.
 * @throws AppError 422 naming the invalid network
 */
export function parseNetworks(texts: string[] | null): string[] | null {
  if (texts === null) return null;
  const networks = texts.map((text, index) => {
    const network = normalNetwork(text.trim());
    if (network !== null) return network;
    const msg = "must be a network such as 10.0.0.0/8 or 2001:db8::/32, or an address";
    throw new AppError("validation_failed", `allowed_ips: ${msg}.`, {
      errors: [{ loc: ["body", "allowed_ips", index], msg, type: "invalid_network" }],
    });
  });
  return [...new Set(networks)];
}

/**
 * Returns a key's expiry, given as days or as a time.
 * @throws AppError 422
 */
export function resolveExpiry(
  input: Pick<NewKey, "expires_in_days" | "expires_at">,
  maxDays: number,
): string | null {
  const inDays = input.expires_in_days ?? null;
  const field = inDays === null ? "expires_at" : "expires_in_days";
  const at =
    inDays === null
      ? input.expires_at == null
        ? null
        : new Date(input.expires_at)
      : new Date(Date.now() + inDays * 86_400_000);
  if (at !== null && at.getTime() <= Date.now()) {
    throw invalidField(field, "must be in the future", "in_the_past");
  }
  // One minute of tolerance, so that exactly the maximum can be requested.
  const latest = Date.now() + maxDays * 86_400_000 + 60_000;
  if (maxDays > 0 && (at === null || at.getTime() > latest)) {
    throw invalidField(field, `must be at most ${maxDays} days from now`, "too_late");
  }
  return at?.toISOString() ?? null;
}

async function organizationOfAgent(db: Database, actor: Actor, agentId: string): Promise<string> {
  const access = await resolveAccess(db, actor, "agent_id", agentId);
  if (!access)
    throw invalidField("agent_id", "does not name an agent that you can see", "unknown_id");
  return access.orgId;
}

/**
 * Requires the permission to change agents, and every permission the key gives the agent. The lock of
 * the agent's organization is held.
 * @throws AppError 403; 409 `organization_archived`; 422
 */
async function requireAgentKeyAuthority(
  tx: Queryable,
  actor: Actor,
  agentId: string,
  scopes: string[],
): Promise<void> {
  const orgId = await queries.organizationOfAgent(tx, agentId);
  const maker = orgId === undefined ? null : await readAccess(tx, actor, orgId);
  if (!maker)
    throw invalidField("agent_id", "does not name an agent that you can see", "unknown_id");
  const elsewhere = scopes.findIndex((scope) => organizationOf(scope) !== maker.orgId);
  if (elsewhere !== -1) {
    throw invalidScope(elsewhere, "must be within the agent's organization");
  }
  requirePermission(maker, "agent:write");
  requireNotArchived(maker);
  const patterns = await queries.patternsOfAgent(tx, agentId);
  if (!patterns) throw invalidField("agent_id", "names a terminated agent", "terminated");
  const given = patternsWithin(patterns, patternsIn(scopes, maker.orgId));
  const beyond = permissionsBeyond(maker, given);
  if (beyond.length > 0) {
    throw new AppError(
      "privilege_escalation",
      `The agent would get ${beyond.slice(0, 3).join(", ")}, which you do not have; give the key fewer scopes.`,
      { missing_permissions: beyond },
    );
  }
}
