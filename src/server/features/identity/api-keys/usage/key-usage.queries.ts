import { sql } from "drizzle-orm";
import type pg from "pg";
import type { KeyUsage } from "#shared/api/identity/api-keys.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { beginSystem } from "../../../../db/connection/system-pool.js";
import type { PermissionUse } from "../scopes.js";
import type { Counts, Tally } from "./usage-counter.js";

const dateOf = (day: number): string => new Date(day * 86_400_000).toISOString().slice(0, 10);

function pairsOf<One, Other>(counts: Counts<One, Other>): [One, Other, number][] {
  return [...counts].flatMap(([one, others]) =>
    [...others].map(([other, count]): [One, Other, number] => [one, other, count]),
  );
}

/** Adds counts to the stored ones. The last-use time never moves back. */
export async function addTallies(pool: pg.Pool, tallies: Tally[]): Promise<void> {
  const uses = tallies.flatMap(({ keyId, lastUse }) => (lastUse ? [{ keyId, ...lastUse }] : []));
  const requests = tallies.flatMap(({ keyId, day, requests: counts }) =>
    pairsOf(counts).map(([what, status, count]) => ({
      keyId,
      day: dateOf(day),
      status,
      what,
      count,
    })),
  );
  const permissions = tallies.flatMap(({ keyId, day, permissions: counts }) =>
    pairsOf(counts).map(([permission, orgId, count]) => ({
      keyId,
      day: dateOf(day),
      orgId,
      permission,
      count,
    })),
  );
  const client = await pool.connect();
  try {
    await client.query(beginSystem);
    await client.query(
      `update api_keys k set last_used_at = u.at, last_used_ip = u.ip
       from (select distinct on (id) id, at, ip from unnest($1::uuid[], $2::timestamptz[], $3::text[])
         as t(id, at, ip) order by id, at desc) u
       where k.id = u.id and (k.last_used_at is null or k.last_used_at < u.at)`,
      [
        uses.map(({ keyId }) => keyId),
        uses.map(({ at }) => new Date(at)),
        uses.map(({ ip }) => ip),
      ],
    );
    // Sorted, so that two processes cannot deadlock.
    await client.query(
      `insert into api_key_requests (key_id, day, endpoint, status, requests)
       select k.id, t.day, t.endpoint, t.status, sum(t.requests)
       from unnest($1::uuid[], $2::date[], $3::text[], $4::smallint[], $5::bigint[])
         as t(key_id, day, endpoint, status, requests) join api_keys k on k.id = t.key_id
       group by 1, 2, 3, 4 order by 1, 2, 3, 4
       on conflict (key_id, day, endpoint, status)
         do update set requests = api_key_requests.requests + excluded.requests`,
      [
        requests.map(({ keyId }) => keyId),
        requests.map(({ day }) => day),
        requests.map(({ what }) => what),
        requests.map(({ status }) => status),
        requests.map(({ count }) => count),
      ],
    );
    await client.query(
      `insert into api_key_permission_uses (key_id, day, organization_id, permission, uses)
       select k.id, t.day, o.id, t.permission, sum(t.uses)
       from unnest($1::uuid[], $2::date[], $3::uuid[], $4::text[], $5::bigint[])
         as t(key_id, day, org_id, permission, uses) join api_keys k on k.id = t.key_id
       left join organizations o on o.id = t.org_id
       group by 1, 2, 3, 4 order by 1, 2, 3, 4
       on conflict on constraint api_key_permission_uses_key
         do update set uses = api_key_permission_uses.uses + excluded.uses`,
      [
        permissions.map(({ keyId }) => keyId),
        permissions.map(({ day }) => day),
        permissions.map(({ orgId }) => orgId),
        permissions.map(({ permission }) => permission),
        permissions.map(({ count }) => count),
      ],
    );
    await client.query("commit");
  } catch (error) {
    await client.query("rollback").catch(() => {});
    throw error;
  } finally {
    client.release();
  }
}

/** Returns requests by day for the last days including today, newest day first. */
export async function listRequests(
  tx: Queryable,
  keyId: string,
  days: number,
): Promise<KeyUsage["requests"]> {
  const { rows } = await tx.execute<KeyUsage["requests"][number] & Record<string, unknown>>(sql`
    select to_char(day, 'YYYY-MM-DD') as day, endpoint, status::int, requests::float8 as count
    from api_key_requests where key_id = ${keyId} and day > current_date - ${days}::int
    order by day desc, endpoint, status`);
  return rows;
}

/** Returns granted permission checks of the last days with their counts. */
export async function listPermissionUses(
  tx: Queryable,
  keyId: string,
  days: number,
): Promise<(PermissionUse & { uses: number })[]> {
  const { rows } = await tx.execute<PermissionUse & { uses: number } & Record<string, unknown>>(sql`
    select organization_id, permission, sum(uses)::float8 as uses from api_key_permission_uses
    where key_id = ${keyId} and day > current_date - ${days}::int
    group by 1, 2 order by 1 nulls first, 2`);
  return rows;
}

/** Deletes rows older than any report. */
export async function deleteOldUsage(tx: Queryable): Promise<void> {
  await tx.execute(sql`delete from api_key_requests where day < current_date - 90`);
  await tx.execute(sql`delete from api_key_permission_uses where day < current_date - 90`);
}
