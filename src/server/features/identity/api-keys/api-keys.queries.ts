import { and, desc, eq, inArray, isNull, sql } from "drizzle-orm";
import type { ApiKey } from "#shared/api/identity/api-keys.js";
import type { Queryable } from "../../../db/connection/connect.js";
import {
  agents,
  apiKeys,
  memberships,
  organizations,
  organizationSlugs,
} from "../../../db/tables/tables.js";

/** The selected columns of a key. */
export const keyColumns = {
  id: apiKeys.id,
  user_id: apiKeys.user_id,
  name: apiKeys.name,
  description: apiKeys.description,
  key_prefix: apiKeys.key_prefix,
  key_hint: apiKeys.key_hint,
  scopes: apiKeys.scopes,
  organization_id: apiKeys.org_id,
  agent_id: apiKeys.agent_id,
  allowed_ips: apiKeys.allowed_ips,
  rate_limit_per_minute: apiKeys.rate_limit_per_minute,
  shut_out_of: apiKeys.shut_out_of,
  replaced_by: apiKeys.replaced_by,
  created_at: apiKeys.created_at,
  last_used_at: apiKeys.last_used_at,
  last_used_ip: apiKeys.last_used_ip,
  expires_at: apiKeys.expires_at,
  revoked_at: apiKeys.revoked_at,
  status: sql<ApiKey["status"]>`case when ${apiKeys.revoked_at} is not null then 'revoked'
    when ${apiKeys.expires_at} <= now() then 'expired' else 'active' end`,
  is_stale: sql<boolean>`${apiKeys.revoked_at} is null
    and (${apiKeys.expires_at} is null or ${apiKeys.expires_at} > now())
    and coalesce(${apiKeys.last_used_at}, ${apiKeys.created_at}) < now() - interval '90 days'`,
};
/** A stored key. Its scopes and `shut_out_of` contain organization ids. */
export type StoredKey = Omit<ApiKey, "is_active"> & { user_id: string };

export interface KeyValues {
  id: string;
  user_id: string;
  name: string;
  description: string | null;
  key_hash: Buffer;
  key_prefix: string;
  key_hint: string;
  scopes: string[];
  org_id: string | null;
  agent_id: string | null;
  expires_at: string | null;
  allowed_ips: string[] | null;
  rate_limit_per_minute: number | null;
  shut_out_of: string[];
  created_by: string;
}

export async function insertKey(tx: Queryable, values: KeyValues): Promise<StoredKey> {
  const [row] = await tx.insert(apiKeys).values(values).returning(keyColumns);
  if (!row) throw new Error("the key was not inserted");
  return row;
}

export async function listKeys(
  tx: Queryable,
  userId: string,
  after: string | null,
  limit: number,
): Promise<StoredKey[]> {
  return tx
    .select(keyColumns)
    .from(apiKeys)
    .where(
      and(eq(apiKeys.user_id, userId), after === null ? undefined : sql`${apiKeys.id} < ${after}`),
    )
    .orderBy(desc(apiKeys.id))
    .limit(limit);
}

export async function findKey(
  tx: Queryable,
  userId: string,
  keyId: string,
): Promise<StoredKey | undefined> {
  const [row] = await tx
    .select(keyColumns)
    .from(apiKeys)
    .where(and(eq(apiKeys.id, keyId), eq(apiKeys.user_id, userId)));
  return row;
}

/** Finds a key of any owner by the HMAC of its text. */
export async function findKeyByHash(tx: Queryable, hash: Buffer): Promise<StoredKey | undefined> {
  const [row] = await tx.select(keyColumns).from(apiKeys).where(eq(apiKeys.key_hash, hash));
  return row;
}

/** Finds keys of any owners by the HMACs of their texts, keyed by HMAC in hex. */
export async function findKeysByHashes(
  tx: Queryable,
  hashes: Buffer[],
): Promise<Map<string, StoredKey>> {
  const rows = await tx
    .select({ ...keyColumns, hash: apiKeys.key_hash })
    .from(apiKeys)
    .where(inArray(apiKeys.key_hash, hashes));
  return new Map(rows.map(({ hash, ...key }) => [hash.toString("hex"), key]));
}

/** Reads a key and locks its row until the transaction ends. */
export async function lockKey(tx: Queryable, keyId: string): Promise<StoredKey | undefined> {
  const [row] = await tx
    .select(keyColumns)
    .from(apiKeys)
    .where(eq(apiKeys.id, keyId))
    .for("update");
  return row;
}

export async function updateKey(
  tx: Queryable,
  keyId: string,
  changes: Partial<
    Pick<
      KeyValues,
      "name" | "description" | "scopes" | "org_id" | "allowed_ips" | "rate_limit_per_minute"
    >
  >,
): Promise<StoredKey | undefined> {
  const [row] = await tx
    .update(apiKeys)
    .set(changes)
    .where(eq(apiKeys.id, keyId))
    .returning(keyColumns);
  return row;
}

/** Revokes a key. Returns undefined if it was already revoked. */
export async function revokeKey(tx: Queryable, keyId: string): Promise<StoredKey | undefined> {
  const [row] = await tx
    .update(apiKeys)
    .set({ revoked_at: sql`now()` })
    .where(and(eq(apiKeys.id, keyId), isNull(apiKeys.revoked_at)))
    .returning(keyColumns);
  return row;
}

/** Revokes a user's active keys. */
export async function revokeKeysOf(tx: Queryable, userId: string): Promise<StoredKey[]> {
  return tx
    .update(apiKeys)
    .set({ revoked_at: sql`now()` })
    .where(
      sql`${apiKeys.user_id} = ${userId} and ${apiKeys.revoked_at} is null
        and (${apiKeys.expires_at} is null or ${apiKeys.expires_at} > now())`,
    )
    .returning(keyColumns);
}

/**
 * Marks a key as replaced by another one. It stays valid for the given number of seconds, but not
 * beyond its own expiry.
 */
export async function replaceKey(
  tx: Queryable,
  keyId: string,
  replacedBy: string,
  graceSeconds: number,
): Promise<void> {
  const end = sql`now() + make_interval(secs => ${graceSeconds}::int)`;
  await tx
    .update(apiKeys)
    .set({
      replaced_by: replacedBy,
      ...(graceSeconds === 0
        ? { revoked_at: sql`now()` }
        : { expires_at: sql`least(${apiKeys.expires_at}, ${end})` }),
    })
    .where(eq(apiKeys.id, keyId));
}

/** Blocks a key in an organization. */
export async function block(tx: Queryable, keyId: string, orgId: string): Promise<void> {
  await tx
    .update(apiKeys)
    .set({ shut_out_of: sql`array_append(${apiKeys.shut_out_of}, ${orgId}::uuid)` })
    .where(eq(apiKeys.id, keyId));
}

/** Returns where a key with full access can act: its owner's organizations that are not archived. */
export async function organizationsOfKey(tx: Queryable, keyId: string): Promise<string[]> {
  const rows = await tx
    .select({ org_id: memberships.org_id })
    .from(apiKeys)
    .innerJoin(
      memberships,
      sql`${memberships.user_id} = ${apiKeys.user_id} and ${memberships.org_id} <> all(${apiKeys.shut_out_of})`,
    )
    .innerJoin(organizations, eq(organizations.id, memberships.org_id))
    .where(and(eq(apiKeys.id, keyId), isNull(organizations.archived_at)));
  return rows.map((row) => row.org_id);
}

/** Returns the current slugs of organizations. */
export async function slugsOf(tx: Queryable, orgIds: string[]): Promise<Map<string, string>> {
  if (orgIds.length === 0) return new Map();
  const rows = await tx
    .select({ id: organizations.id, slug: organizations.slug })
    .from(organizations)
    .where(sql`${organizations.id} = any(${sql.param(orgIds)}::uuid[])`);
  return new Map(rows.map((row) => [row.id, row.slug]));
}

/** Resolves slugs to organizations that are not archived and have the user as a member. */
export async function memberOrganizations(
  tx: Queryable,
  userId: string,
  slugs: string[],
): Promise<Map<string, string>> {
  if (slugs.length === 0) return new Map();
  const rows = await tx
    .select({ slug: organizationSlugs.slug, id: organizations.id })
    .from(organizationSlugs)
    .innerJoin(organizations, eq(organizations.id, organizationSlugs.org_id))
    .where(
      sql`${organizationSlugs.slug} = any(${sql.param(slugs)}::text[])
        and ${organizations.archived_at} is null
        and exists (select from memberships m where m.org_id = ${organizations.id} and m.user_id = ${userId})`,
    );
  return new Map(rows.map((row) => [row.slug, row.id]));
}

/** Returns the given organizations that are not archived and have the user as a member. */
export async function activeMemberships(
  tx: Queryable,
  userId: string,
  orgIds: string[],
): Promise<Set<string>> {
  if (orgIds.length === 0) return new Set();
  const rows = await tx
    .select({ org_id: memberships.org_id })
    .from(memberships)
    .innerJoin(organizations, eq(organizations.id, memberships.org_id))
    .where(
      and(
        isNull(organizations.archived_at),
        eq(memberships.user_id, userId),
        inArray(memberships.org_id, orgIds),
      ),
    );
  return new Set(rows.map(({ org_id }) => org_id));
}

/** How long before its end a key is announced, in days, and where that is recorded. */
export const expiryNotices = [
  { days: 7, atLeast: 1, column: "expiry_warned_at" },
  { days: 1, atLeast: 0, column: "expiry_last_warned_at" },
] as const;

/**
 * Claims keys that expire within a notice's days and were not announced; each is claimed once across
 * processes. Keys with a shorter lifetime and rotated keys are skipped.
 */
export async function claimExpiringKeys(
  tx: Queryable,
  { days, atLeast, column }: (typeof expiryNotices)[number],
  limit: number,
): Promise<StoredKey[]> {
  const ending = tx
    .select({ id: apiKeys.id })
    .from(apiKeys)
    .where(
      sql`${apiKeys.revoked_at} is null and ${apiKeys[column]} is null
        and ${apiKeys.replaced_by} is null
        and ${apiKeys.expires_at} > now() + make_interval(days => ${atLeast})
        and ${apiKeys.expires_at} <= now() + make_interval(days => ${days})
        and ${apiKeys.expires_at} > ${apiKeys.created_at} + make_interval(days => ${days})`,
    )
    .limit(limit)
    .for("update", { skipLocked: true });
  return tx
    .update(apiKeys)
    .set({ [column]: sql`now()` })
    .where(inArray(apiKeys.id, ending))
    .returning(keyColumns);
}

export async function organizationOfAgent(
  tx: Queryable,
  agentId: string,
): Promise<string | undefined> {
  const [row] = await tx
    .select({ org_id: agents.org_id })
    .from(agents)
    .where(eq(agents.id, agentId));
  return row?.org_id;
}

/**
 * Returns the permission patterns of an agent's role; undefined when the agent is terminated or no
 * longer a member.
 */
export async function patternsOfAgent(
  tx: Queryable,
  agentId: string,
): Promise<string[] | undefined> {
  const [row] = await tx
    .select({ patterns: sql<string[]>`role_patterns(${memberships.role_id})` })
    .from(agents)
    .innerJoin(
      memberships,
      and(eq(memberships.org_id, agents.org_id), eq(memberships.agent_id, agents.id)),
    )
    .where(and(eq(agents.id, agentId), isNull(agents.terminated_at)));
  return row?.patterns;
}
