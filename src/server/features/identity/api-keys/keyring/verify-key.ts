import type { Verification } from "#shared/api/identity/api-keys.js";
import { permissionNames, type Permission } from "#shared/permissions.js";
import { AppError, invalidField } from "../../../../errors.js";
import type { Actor } from "../../../../access/authenticate.js";
import { resolveAccess } from "../../../../access/authorize.js";
import {
  allows,
  permissionsOf,
  requirePermission,
  type Access,
} from "../../../../access/access.js";
import type { ActorContext } from "../../../../http/requests/request-context.js";
import { isWellFormed } from "#shared/node/key-text.js";
import { hashKey } from "./key.js";
import type { KeyDeps } from "../key-access.js";
import * as queries from "../api-keys.queries.js";
import { organizationsIn, scopesWithin } from "../scopes.js";

interface Question {
  key: string;
  permission?: string | undefined;
  organization_id?: string | undefined;
  ip?: string | undefined;
}

/**
 * Verifies a key for another service that received it. Details go to the key's owner and to members who
 * may see keys in an organization where it acts. Without an organization, the permissions are those the
 * key has everywhere it acts, as far as the caller may know. A valid result counts as a use of the key.
 * @throws AppError 422
 */
export async function verifyKey(
  { db, keyring, settings }: KeyDeps,
  { actor, ip: callerIp }: ActorContext,
  { key, permission, organization_id, ip = callerIp }: Question,
): Promise<Verification> {
  if (permission !== undefined && !permissionNames.includes(permission as Permission)) {
    throw invalidField("permission", "is not a known permission", "unknown_permission");
  }
  // Active keys come from the cache; the database gives the reason for others.
  const known = await keyring.find(key);
  const named = known ? ownerOf(known.actor) : await findUnusable({ db, settings }, key);
  const visible = named && (await organizationsVisibleToCaller({ db, keyring }, actor, named));
  if (!named || !visible) return notKnown;

  const answer = (
    code: Verification["code"],
    permissions: readonly string[] = [],
  ): Verification => ({
    valid: code === "valid",
    code,
    key_id: named.id,
    user_id: named.user_id,
    agent_id: named.agent_id,
    permissions: [...permissions],
  });
  // An active key that does not work ended with its owner, agent or organization.
  if (!known?.actor.key) return answer(named.status === "active" ? "revoked" : named.status);
  if (!known.allows(ip)) return answer("ip_not_allowed");

  const asked =
    organization_id === undefined ? visible : visible.filter((orgId) => orgId === organization_id);
  const accesses = await Promise.all(
    asked.map((orgId) => resolveAccess(db, known.actor, "organization_id", orgId)),
  );
  const permissions = intersectPermissions(accesses.filter((access) => access !== null));
  const isMissing = permission !== undefined && !permissions.includes(permission);
  if (isMissing || (organization_id !== undefined && !accesses.some(Boolean))) {
    return answer("insufficient_permission", permissions);
  }
  try {
    await keyring.consumeRateLimit(known.actor.key);
  } catch (error) {
    if (error instanceof AppError && error.code === "rate_limited") return answer("rate_limited");
    throw error;
  }
  keyring.seen(named.id, ip);
  if (permission !== undefined) for (const access of accesses) access?.used(permission);
  return answer("valid", permissions);
}

const notKnown: Verification = {
  valid: false,
  code: "not_found",
  key_id: null,
  user_id: null,
  agent_id: null,
  permissions: [],
};

function intersectPermissions(accesses: Access[]): readonly string[] {
  const [first = [], ...others] = accesses.map(permissionsOf);
  if (others.length === 0) return first;
  return first.filter((name) => others.every((held) => held.includes(name)));
}

/** A key's owner and reach. */
type NamedKey = Pick<
  queries.StoredKey,
  "id" | "user_id" | "agent_id" | "scopes" | "shut_out_of" | "status"
>;

function ownerOf({ userId, agent, key }: Actor): NamedKey | undefined {
  if (!key) return undefined;
  return {
    id: key.id,
    user_id: userId,
    agent_id: agent?.id ?? null,
    scopes: [...key.scopes],
    shut_out_of: [...key.lockedOutOf],
    status: "active",
  };
}

/** Finds a key of this installation that is inactive, or that was created this instant. */
async function findUnusable(
  { db, settings }: Pick<KeyDeps, "db" | "settings">,
  key: string,
): Promise<NamedKey | undefined> {
  if (!isWellFormed(settings.keyPrefix, key)) return undefined;
  return db.withSystem("find a key to verify", (tx) =>
    queries.findKeyByHash(tx, hashKey(settings.secret, key)),
  );
}

/**
 * Returns the organizations where the key acts and the caller may see keys; null if the caller may see
 * none.
 */
async function organizationsVisibleToCaller(
  { db, keyring }: Pick<KeyDeps, "db" | "keyring">,
  actor: Actor,
  key: NamedKey,
): Promise<string[] | null> {
  const actsIn = key.scopes.includes("*:*")
    ? (await keyring.organizationsOf(key.user_id)).filter((id) => !key.shut_out_of.includes(id))
    : organizationsIn(key.scopes);
  const isOwn = actor.userId === key.user_id && !actor.agent && scopesWithin(actor, key.scopes);
  if (isOwn) return actsIn;
  const accesses = await Promise.all(
    actsIn.map((orgId) => resolveAccess(db, actor, "organization_id", orgId)),
  );
  const seen = accesses.filter((access) => access !== null && allows(access, "org:apikeys:read"));
  for (const access of seen) requirePermission(access as Access, "org:apikeys:read");
  return seen.length === 0 ? null : seen.map((access) => (access as Access).orgId);
}
