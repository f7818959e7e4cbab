import type {
  NewServiceAccountKey,
  ServiceAccountKey,
} from "#shared/api/identity/service-accounts.js";
import { permissionsBeyond, type Access } from "../../../../access/access.js";
import { type Actor, isPerson } from "../../../../access/authenticate.js";
import type { AuditWriterOf } from "../../../../db/connection/system-change.js";
import type { Database, Queryable } from "../../../../db/connection/connect.js";
import { lockOrganizations } from "../../../../db/connection/tenant.js";
import { AppError, notFound } from "../../../../errors.js";
import type { OrgContext } from "../../../../http/requests/request-context.js";
import {
  lockActive,
  lockCredential,
  newKeyText,
  notActive,
  parseNetworks,
  requireWithinCredential,
  resolveExpiry,
} from "../create-key.js";
import type { KeyDeps } from "../key-access.js";
import { auditKey, presentKeys } from "../present-key.js";
import { invalidScope, isFullAccess, patternsIn, resolveScopes, scopeFor } from "../scopes.js";
import { insertKey, lockKey, replaceKey, revokeKey, type StoredKey } from "../api-keys.queries.js";
import * as queries from "./account-keys.queries.js";

type CreatedKey = ServiceAccountKey & { key: string };

/**
 * A person's key with full access, as a sign-in by a device code makes it, counts as the person: it can add members
 * who outlast it, so that its own expiry limits no account.
 */
const expiryRule = (actor: Actor) => ({
  mayOutlive: isPerson(actor) && isFullAccess(actor.key?.scopes ?? []),
});

/** Lists the keys of a service account, newest first. @throws AppError 404 */
export async function listAccountKeys(
  db: Database,
  orgId: string,
  accountId: string,
  after: string | null,
  limit: number,
): Promise<ServiceAccountKey[]> {
  const found = await db.withSystem("list the keys of a service account", async (tx) => {
    if (!(await queries.hasAccount(tx, orgId, accountId))) throw notFound();
    return queries.listAccountKeys(tx, accountId, after, limit);
  });
  return present(db, found);
}

/** Reads a key of a service account. @throws AppError 404 */
export async function readAccountKey(
  db: Database,
  orgId: string,
  accountId: string,
  keyId: string,
): Promise<ServiceAccountKey> {
  const found = await db.withSystem("find a key of a service account", async (tx) => {
    if (!(await queries.hasAccount(tx, orgId, accountId))) return undefined;
    return queries.findAccountKey(tx, accountId, keyId);
  });
  if (!found) throw notFound();
  return (await present(db, [found]))[0] as ServiceAccountKey;
}

/**
 * Creates a key of a service account. Only this response contains its secret. The key never exceeds the permissions
 * that its maker has now, whatever role the account gets later.
 * @throws AppError 403 `privilege_escalation`; 404; 409 `service_account_inactive`; 422
 */
export async function createAccountKey(
  deps: KeyDeps,
  context: OrgContext,
  accountId: string,
  input: NewServiceAccountKey,
): Promise<CreatedKey> {
  const { db, settings } = deps;
  const { orgId, actor } = context;
  const given = input.scopes && (await resolveWithin(deps, context, input.scopes));
  const rights = {
    expires_at: resolveExpiry(input, settings.maxKeyDays),
    allowed_ips: parseNetworks(input.allowed_ips ?? null),
    rate_limit_per_minute: input.rate_limit_per_minute ?? null,
  };
  const made = newKeyText(deps);
  const stored = await db.systemChange(context, async (tx, audit) => {
    await lockOrganizations(tx, [orgId]);
    const maker = await lockCredential(tx, actor);
    const access = await context.judge(tx);
    const { patterns } = await requireActive(tx, orgId, accountId);
    const scopes = given ?? patterns.map((pattern) => scopeFor(orgId, pattern));
    requireGrantable(access, scopes);
    requireWithinCredential(actor, maker, { ...rights, scopes }, expiryRule(actor));
    const key = await insertKey(tx, {
      ...made.values,
      ...rights,
      scopes,
      user_id: accountId,
      name: input.name,
      description: input.description ?? null,
      org_id: orgId,
      agent_id: null,
      shut_out_of: [],
      created_by: actor.userId,
    });
    await auditKey(tx, audit, { action: "api_key.created", key, before: null, after: key });
    return queries.findAccountKey(tx, accountId, key.id);
  });
  return { ...(await presentStored(db, stored)), key: made.key };
}

/**
 * Creates a key with the same rights. The old key stays valid for the grace period, but not beyond its own expiry.
 * @throws AppError 403 `privilege_escalation`; 404; 409 `key_not_active`, `service_account_inactive`
 */
export async function rotateAccountKey(
  deps: KeyDeps,
  context: OrgContext,
  { accountId, keyId }: { accountId: string; keyId: string },
  graceSeconds: number,
): Promise<CreatedKey> {
  const { db } = deps;
  const { orgId, actor } = context;
  const made = newKeyText(deps);
  const stored = await db.systemChange(context, async (tx, audit) => {
    await lockOrganizations(tx, [orgId]);
    const maker = await lockCredential(tx, actor);
    const access = await context.judge(tx);
    await requireActive(tx, orgId, accountId);
    await lockOwnKey(tx, orgId, accountId, keyId);
    const old = await lockActive(tx, keyId);
    if (old.replaced_by !== null) throw notActive("has already been rotated; rotate the new key");
    requireGrantable(access, old.scopes);
    requireWithinCredential(actor, maker, old, expiryRule(actor));
    const key = await insertKey(tx, {
      ...made.values,
      user_id: accountId,
      name: old.name,
      description: old.description,
      scopes: old.scopes,
      org_id: orgId,
      agent_id: null,
      expires_at: old.expires_at,
      allowed_ips: old.allowed_ips,
      rate_limit_per_minute: old.rate_limit_per_minute,
      shut_out_of: old.shut_out_of,
      created_by: actor.userId,
    });
    await replaceKey(tx, keyId, key.id, graceSeconds);
    await auditKey(tx, audit, { action: "api_key.rotated", key: old, before: old, after: key });
    return queries.findAccountKey(tx, accountId, key.id);
  });
  return { ...(await presentStored(db, stored)), key: made.key };
}

/** Revokes a key of a service account; idempotent. @throws AppError 404 */
export async function revokeAccountKey(
  db: Database,
  context: OrgContext,
  accountId: string,
  keyId: string,
): Promise<void> {
  const { orgId } = context;
  await db.systemChange(context, async (tx, audit) => {
    await lockOrganizations(tx, [orgId]);
    await context.judge(tx);
    await lockOwnKey(tx, orgId, accountId, keyId);
    await revokeWithEvent(tx, audit, keyId);
  });
}

async function revokeWithEvent(tx: Queryable, audit: AuditWriterOf, keyId: string): Promise<void> {
  const key = await revokeKey(tx, keyId);
  if (!key) return;
  await auditKey(tx, audit, { action: "api_key.revoked", key, before: key, after: null });
}

/** Resolves scopes, each of which must be within the organization. @throws AppError 422 */
async function resolveWithin(
  { db }: KeyDeps,
  { orgId, actor }: OrgContext,
  scopes: string[],
): Promise<string[]> {
  const whole = scopes.indexOf("*:*");
  if (whole !== -1) throw invalidScope(whole, "must be within the organization of the account");
  return resolveScopes(db, actor, { scopes, organization_id: orgId });
}

/** @throws AppError 404; 409 `service_account_inactive` */
async function requireActive(
  tx: Queryable,
  orgId: string,
  accountId: string,
): Promise<queries.AccountRights> {
  const account = await queries.findAccountRights(tx, orgId, accountId);
  if (!account) throw notFound();
  if (account.is_active) return account;
  throw new AppError(
    "service_account_inactive",
    "The service account is deactivated; reactivate it first.",
  );
}

/** Locks a key of an account. @throws AppError 404 */
async function lockOwnKey(
  tx: Queryable,
  orgId: string,
  accountId: string,
  keyId: string,
): Promise<StoredKey> {
  const key = await lockKey(tx, keyId);
  if (key?.user_id !== accountId || !(await queries.hasAccount(tx, orgId, accountId))) {
    throw notFound();
  }
  return key;
}

/** @throws AppError 403 `privilege_escalation` */
function requireGrantable(access: Access, scopes: string[]): void {
  const beyond = permissionsBeyond(access, patternsIn(scopes, access.orgId));
  if (beyond.length === 0) return;
  throw new AppError(
    "privilege_escalation",
    `The key would get ${beyond.slice(0, 3).join(", ")}, which you do not have; give it fewer scopes.`,
    { missing_permissions: beyond },
  );
}

async function present(
  db: Database,
  found: queries.StoredAccountKey[],
): Promise<ServiceAccountKey[]> {
  const keys = await presentKeys(
    db,
    found.map(({ key }) => key),
  );
  return found.map(({ created_by }, index) => ({
    ...(keys[index] as (typeof keys)[number]),
    created_by,
  }));
}

async function presentStored(
  db: Database,
  stored: queries.StoredAccountKey | undefined,
): Promise<ServiceAccountKey> {
  if (!stored) throw new Error("the key was not inserted");
  return (await present(db, [stored]))[0] as ServiceAccountKey;
}
