import type pg from "pg";

/** What a request needs to know of a key that works. */
export interface UsableKey {
  /** Of the key, in hex. */
  hash: string;
  id: string;
  user_id: string;
  agent_id: string | null;
  agent_name: string | null;
  scopes: string[];
  /** The one organization that its scopes name; null where they name several, or none. */
  org_id: string | null;
  shut_out_of: string[];
  allowed_ips: string[] | null;
  rate_limit_per_minute: number | null;
  expires_at: Date | null;
}

/** The keys among the hashes (in hex) that work now: neither revoked nor expired, of people and agents who are active. */
export async function findUsableKeys(
  pool: pg.Pool,
  hashes: string[],
): Promise<ReadonlyMap<string, UsableKey>> {
  const { rows } = await pool.query<UsableKey>({
    name: "find usable keys",
    text: `
      select encode(k.key_hash, 'hex') as hash, k.id, k.user_id, k.agent_id, a.name as agent_name,
        k.scopes, k.org_id, k.shut_out_of::text[] as shut_out_of, k.allowed_ips,
        k.rate_limit_per_minute, k.expires_at
      from api_keys k join users u on u.id = k.user_id left join agents a on a.id = k.agent_id
      where k.key_hash = any($1::bytea[])
        and k.revoked_at is null and (k.expires_at is null or k.expires_at > now()) and u.is_active
        and a.terminated_at is null
        -- a key for one organization alone ends with it
        and not exists (select from organizations o where o.id = k.org_id and o.archived_at is not null)`,
    // Decoded here: behind row-level security no index serves what a function of the database makes.
    values: [hashes.map((hash) => Buffer.from(hash, "hex"))],
  });
  return new Map(rows.map((row) => [row.hash, row]));
}

/** The organizations of people, archived ones too, by the person's id; nobody's are left out. */
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
