/** Emails that gather notifications. Everything here requires a system transaction. */
import { sql } from "drizzle-orm";
import type { Queryable } from "../../../../db/connection/connect.js";
import type { StoredNotification } from "../notification.js";

/** A notification of a claimed email. */
export type DigestRow = StoredNotification &
  Record<string, unknown> & { delivery_id: string; organization: string | null };

/** An email whose sending this process has claimed. */
export interface Digest {
  id: string;
  user_id: string;
  /** Null for an account without a confirmed address. */
  address: string | null;
}

/** Afterwards another process sends the email again, with the same id. */
const LEASE_SECONDS = 60;
const MAX_OF_DIGEST = 10_000;
const CANDIDATES = 50;

/**
 * Claims the email of a person: one that a process has left, or a new one of everything that waits, if the oldest part
 * has waited for `delaySeconds`.
 */
export async function claimDigest(
  tx: Queryable,
  newDigestId: string,
  delaySeconds: number,
): Promise<Digest | undefined> {
  const isDue = sql`status = 'pending' and channel = 'email' and next_attempt_at <= clock_timestamp()
    - case when digest_id is null then make_interval(secs => ${delaySeconds}) else interval '0' end`;
  // The lock lets one process claim the rows of a person.
  const { rows: people } = await tx.execute<{ user_id: string }>(sql`
    select user_id from (select distinct user_id from (
      select user_id from notification_deliveries where ${isDue} order by next_attempt_at
      limit ${CANDIDATES * 100}) due limit ${CANDIDATES}) people
    where pg_try_advisory_xact_lock(hashtextextended('notifications of ' || user_id, 0)) limit 1`);
  const userId = people[0]?.user_id;
  if (userId === undefined) return undefined;
  // With the lock held, the rows are read again.
  const { rows: due } = await tx.execute<{ digest_id: string | null }>(sql`
    select digest_id from notification_deliveries where user_id = ${userId} and ${isDue}
    order by digest_id nulls last limit 1`);
  if (!due[0]) return undefined;
  const id = due[0].digest_id ?? newDigestId;
  const part = due[0].digest_id === null ? sql`digest_id is null` : sql`digest_id = ${id}`;
  await tx.execute(sql`
    update notification_deliveries set digest_id = ${id}, attempts = attempts + 1,
      attempted_at = clock_timestamp(),
      next_attempt_at = clock_timestamp() + make_interval(secs => ${LEASE_SECONDS})
    where id in (select id from notification_deliveries
      where user_id = ${userId} and status = 'pending' and channel = 'email' and ${part}
      order by created_at, id limit ${MAX_OF_DIGEST})`);
  const { rows } = await tx.execute<{ address: string | null }>(sql`
    select case when is_verified then email end as address from users where id = ${userId}`);
  return { id, user_id: userId, address: rows[0]?.address ?? null };
}

export async function listDigest(tx: Queryable, digestId: string): Promise<DigestRow[]> {
  const { rows } = await tx.execute<DigestRow>(sql`
    select d.id as delivery_id, n.id, n.org_id, n.kind, n.type, n.data, o.name as organization
    from notification_deliveries d join notifications n on n.id = d.notification_id
    left join organizations o on o.id = n.org_id
    where d.digest_id = ${digestId} and d.status = 'pending'
    order by n.org_id nulls first, n.happened_at, n.id`);
  return rows;
}

/** Records that an email is on its way, without the skipped notifications. */
export async function endDigest(
  tx: Queryable,
  digestId: string,
  skipped: readonly { id: string; reason: string }[],
): Promise<void> {
  await tx.execute(sql`
    update notification_deliveries d set ended_at = clock_timestamp(), next_attempt_at = null,
      status = case when s.reason is null then 'delivered' else 'skipped' end, error = s.reason
    from notification_deliveries o left join
      jsonb_to_recordset(${JSON.stringify(skipped)}::jsonb) as s(id uuid, reason text) on s.id = o.id
    where o.id = d.id and d.digest_id = ${digestId} and d.status = 'pending'`);
}
