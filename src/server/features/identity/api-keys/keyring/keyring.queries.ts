import type pg from "pg";

/** The properties of an active key that each request needs. */
export interface ActiveKey {
  /** The key's HMAC in hex. */
  hash: string;
  id: string;
  user_id: string;
  /** The kind of the user. */
  kind: "person" | "service";
  agent_id: string | null;
  agent_name: string | null;
  scopes: string[];
  /** The one organization its scopes name; null if they name several or none. */
  org_id: string | null;
  shut_out_of: string[];
  allowed_ips: string[] | null;
  rate_limit_per_minute: number | null;
  expires_at: Date | null;
}

/**
 * Returns the active keys among the HMACs (in hex): not revoked, not expired, with an active owner and
 * agent.
 */
export async function findActiveKeys(
  pool: pg.Pool,
  hashes: string[],
): Promise<ReadonlyMap<string, ActiveKey>> {
  const { rows } = await pool.query<ActiveKey>({
    name: "find usable keys",
    text: `
      select encode(k.key_hash, 'hex') as hash, k.id, k.user_id, u.kind, k.agent_id, a.name as agent_name,
        k.scopes, k.org_id, k.shut_out_of::text[] as shut_out_of, k.allowed_ips,
        k.rate_limit_per_minute, k.expires_at
      from api_keys k join users u on u.id = k.user_id left join agents a on a.id = k.agent_id
      where k.key_hash = any($1::bytea[])
        and k.revoked_at is null and (k.expires_at is null or k.expires_at > now()) and u.is_active
        and a.terminated_at is null
        -- a key for one organization alone ends with it
        and not exists (select from organizations o where o.id = k.org_id and o.archived_at is not null)`,
    // Decoded here: behind row-level security, PostgreSQL cannot use an index for a function's result.
    values: [hashes.map((hash) => Buffer.from(hash, "hex"))],
  });
  return new Map(rows.map((row) => [row.hash, row]));
}

/**
 * Returns the organizations of each user, archived ones included. Users without organizations get an
 * empty list.
 */
export async function organizationsOfPeople(
  pool: pg.Pool,
  userIds: string[],
): Promise<ReadonlyMap<string, { id: string; archived: boolean }[]>> {
  const { rows } = await pool.query<{ user_id: string; id: string; archived: boolean }>({
    name: "organizations of people",
    text: `
      select m.user_id, o.id, o.archived_at is not null as archived
      from memberships m join organizations o on o.id = m.org_id where m.user_id = any($1::uuid[])`,
    values: [userIds],
  });
  const found = new Map(userIds.map((id) => [id, [] as { id: string; archived: boolean }[]]));
  for (const { user_id, id, archived } of rows) found.get(user_id)?.push({ id, archived });
  return found;
}
