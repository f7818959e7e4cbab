import { and, desc, eq, isNull, sql } from "drizzle-orm";
import type pg from "pg";
import type { ApiKey } from "#shared/api/api-keys.js";
import type { Queryable } from "../../db/connect.js";
import { apiKeys, organizations, organizationSlugs } from "../../db/tables.js";

const keyColumns = {
  id: apiKeys.id,
  name: apiKeys.name,
  description: apiKeys.description,
  key_prefix: apiKeys.key_prefix,
  key_hint: apiKeys.key_hint,
  scopes: apiKeys.scopes,
  organization_id: apiKeys.org_id,
  created_at: apiKeys.created_at,
  last_used_at: apiKeys.last_used_at,
  last_used_ip: apiKeys.last_used_ip,
  expires_at: apiKeys.expires_at,
  revoked_at: apiKeys.revoked_at,
  status: sql<ApiKey["status"]>`case when ${apiKeys.revoked_at} is not null then 'revoked'
    when ${apiKeys.expires_at} <= now() then 'expired' else 'active' end`,
};
/** A key as stored: its scopes name organizations by id. */
export type StoredKey = Omit<ApiKey, "is_active" | "agent_id" | "allowed_ips">;

export async function insertKey(
  tx: Queryable,
  values: {
    id: string;
    user_id: string;
    name: string;
    description: string | null;
    key_hash: Buffer;
    key_prefix: string;
    key_hint: string;
    scopes: string[];
    org_id: string | null;
    expires_at: string | null;
  },
): Promise<StoredKey> {
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

export async function updateKey(
  tx: Queryable,
  keyId: string,
  changes: { name?: string; description?: string | null },
): Promise<StoredKey | undefined> {
  const [row] = await tx
    .update(apiKeys)
    .set(changes)
    .where(eq(apiKeys.id, keyId))
    .returning(keyColumns);
  return row;
}

/** Revokes a key; undefined where it was revoked already. */
export async function revokeKey(tx: Queryable, keyId: string): Promise<StoredKey | undefined> {
  const [row] = await tx
    .update(apiKeys)
    .set({ revoked_at: sql`now()` })
    .where(and(eq(apiKeys.id, keyId), isNull(apiKeys.revoked_at)))
    .returning(keyColumns);
  return row;
}

/** Where a key of full access can act: the organizations of its owner that are not archived. */
export async function organizationsOfKey(tx: Queryable, keyId: string): Promise<string[]> {
  const { rows } = await tx.execute<{ org_id: string }>(sql`
    select m.org_id from api_keys k
    join memberships m on m.user_id = k.user_id
    join organizations o on o.id = m.org_id and o.archived_at is null
    where k.id = ${keyId}`);
  return rows.map((row) => row.org_id);
}

/** The current slugs of organizations. */
export async function slugsOf(tx: Queryable, orgIds: string[]): Promise<Map<string, string>> {
  if (orgIds.length === 0) return new Map();
  const rows = await tx
    .select({ id: organizations.id, slug: organizations.slug })
    .from(organizations)
    .where(sql`${organizations.id} = any(${sql.param(orgIds)}::uuid[])`);
  return new Map(rows.map((row) => [row.id, row.slug]));
}

/** The organizations, not archived ones, that slugs lead to and the person is a member of. */
export async function memberOrganizations(
  tx: Queryable,
  userId: string,
  slugs: string[],
): Promise<Map<string, string>> {
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

/** What a request needs to know of a key that works. */
export interface UsableKey {
  /** Of the key, in hex. */
  hash: string;
  id: string;
  user_id: string;
  scopes: string[];
  /** The one organization that its scopes name; null where they name several, or none. */
  org_id: string | null;
  expires_at: Date | null;
}

/** The keys among the hashes (in hex) that work now: neither revoked nor expired, of people who are active. */
export async function findUsableKeys(
  pool: pg.Pool,
  hashes: string[],
): Promise<ReadonlyMap<string, UsableKey>> {
  const { rows } = await pool.query<UsableKey>({
    name: "find usable keys",
    text: `
      select encode(k.key_hash, 'hex') as hash, k.id, k.user_id, k.scopes, k.org_id, k.expires_at
      from api_keys k join users u on u.id = k.user_id
      where k.key_hash = any($1::bytea[])
        and k.revoked_at is null and (k.expires_at is null or k.expires_at > now()) and u.is_active
        -- a key for one organization alone ends with it
        and not exists (select from organizations o where o.id = k.org_id and o.archived_at is not null)`,
    // Decoded here: behind row-level security no index serves what a function of the database makes.
    values: [hashes.map((hash) => Buffer.from(hash, "hex"))],
  });
  return new Map(rows.map((row) => [row.hash, row]));
}

/** Writes when and from where keys were last used, never moving a time back. */
export async function writeLastUses(
  pool: pg.Pool,
  uses: { id: string; at: Date; ip: string }[],
): Promise<void> {
  await pool.query(
    `update api_keys k set last_used_at = u.at, last_used_ip = u.ip
     from unnest($1::uuid[], $2::timestamptz[], $3::text[]) as u(id, at, ip)
     where k.id = u.id and (k.last_used_at is null or k.last_used_at < u.at)`,
    [uses.map(({ id }) => id), uses.map(({ at }) => at), uses.map(({ ip }) => ip)],
  );
}
