import { sql } from "drizzle-orm";
import type { Queryable } from "../../../db/connection/connect.js";
import { prepared } from "../../../db/connection/connect.js";
import type { Claim, Result } from "./sending/create-deliverer.js";

export interface Target {
  org_id: string;
  webhook_id: string;
}

/** A row of a claimed delivery. */
export type ClaimRow = Omit<Claim, "message_id" | "is_test"> & {
  org_id: string;
  event_id: string;
  subject_id: string;
  number: string;
};

/** A delivery whose attempt this process makes. */
export type OrganizationClaim = Claim & ClaimRow;

/** Longer than an attempt: afterwards another process may try again. */
const LEASE_SECONDS = 30;

/**
 * Begins an attempt of the delivery that `due` selects. It is materialized, because a plan that repeats it would
 * claim another row each time.
 */
const claimText = (due: string): string => `
  with due as materialized (${due})
  update webhook_deliveries d set attempts = d.attempts + 1, attempted_at = clock_timestamp(),
    next_attempt_at = clock_timestamp() + interval '${LEASE_SECONDS} seconds',
    duration_ms = null, response_status = null, response_body = null, error = null
  from due, webhooks w, events e
  where d.id = due.id and w.id = d.webhook_id and e.id = d.event_id
  returning d.id, d.webhook_id, d.org_id, d.event_id, d.subject_id, d.number, d.attempts, d.created_at,
    w.failing_since is not null as is_failing, w.url, w.sealed_secret,
    case when w.previous_secret_expires_at > now() then w.sealed_previous_secret end
      as sealed_previous_secret,
    e.type, e.created_at as happened_at, e.data`;

/**
 * Claims the next due delivery of a webhook whose earlier deliveries of the same subject have ended; undefined
 * if there is none, or the webhook is disabled or its organization archived.
 */
export async function claimNext(tx: Queryable, webhookId: string): Promise<ClaimRow | undefined> {
  const due = `
    select p.id from webhook_deliveries p
    where p.webhook_id = $1 and p.status = 'pending' and p.next_attempt_at <= clock_timestamp()
      and exists (select from webhooks w join organizations o on o.id = w.org_id
        where w.id = $1 and w.enabled and o.archived_at is null)
      and not exists (select from webhook_deliveries e
        where e.webhook_id = p.webhook_id and e.subject_id = p.subject_id and e.status = 'pending'
          and e.number < p.number)
    order by p.next_attempt_at, p.number limit 1 for update of p skip locked`;
  const [claim] = await prepared<ClaimRow>(tx, "claim a delivery", claimText(due), [webhookId]);
  return claim;
}

/** Claims one delivery; undefined if it has ended. */
export async function claimOne(tx: Queryable, id: string): Promise<ClaimRow | undefined> {
  const due = "select id from webhook_deliveries where id = $1 and status = 'pending' for update";
  const [claim] = await prepared<ClaimRow>(tx, "claim one delivery", claimText(due), [id]);
  return claim;
}

/**
 * Records the result of an attempt. The later deliveries of its subject wait as long as this one.
 * @returns false if a later attempt has begun
 */
export async function recordResult(
  tx: Queryable,
  claim: OrganizationClaim,
  result: Result,
): Promise<boolean> {
  const { status, body, error, duration_ms, nextAttempt } = result;
  const state = error === null ? "delivered" : nextAttempt === null ? "failed" : "pending";
  const recorded = await prepared(
    tx,
    "record an attempt",
    `update webhook_deliveries set status = $3, next_attempt_at = $4,
      ended_at = case when $3 <> 'pending' then clock_timestamp() end, duration_ms = $5,
      response_status = $6, response_body = $7, error = $8
    where id = $1 and attempts = $2 and status = 'pending' returning id`,
    [claim.id, claim.attempts, state, nextAttempt, duration_ms, status, body, error],
  );
  if (recorded.length === 0) return false;
  // After a first success no delivery has been postponed.
  if (claim.attempts > 1 || error !== null) {
    await prepared(
      tx,
      "postpone the deliveries of a subject",
      `update webhook_deliveries set next_attempt_at = coalesce($4, clock_timestamp())
      where webhook_id = $1 and subject_id = $2 and number > $3 and status = 'pending'`,
      [claim.webhook_id, claim.subject_id, claim.number, nextAttempt],
    );
  }
  return true;
}

/** Ends an attempt that the server aborted when it stopped. */
export async function releaseClaim(
  tx: Queryable,
  { id, attempts }: OrganizationClaim,
): Promise<void> {
  await tx.execute(sql`
    update webhook_deliveries set next_attempt_at = clock_timestamp(), duration_ms = 0,
      error = 'The server stopped before the receiver answered.'
    where id = ${id} and attempts = ${attempts} and status = 'pending'`);
}

/** Records whether the webhook works. Returns since when it fails; null if it works. */
export async function recordHealth(
  tx: Queryable,
  { webhook_id, is_failing }: OrganizationClaim,
  error: string | null,
): Promise<Date | null> {
  if (error === null && !is_failing) return null;
  const since = error === null ? "null" : "coalesce(failing_since, clock_timestamp())";
  const rows = await prepared<{ failing_since: Date | null }>(
    tx,
    `record that a webhook ${error === null ? "works" : "fails"}`,
    `update webhooks set failing_since = ${since} where id = $1 returning failing_since`,
    [webhook_id],
  );
  return rows[0]?.failing_since ?? null;
}

/** Gives up the waiting deliveries of a webhook that is being disabled. */
export async function giveUpDeliveries(tx: Queryable, webhookId: string): Promise<void> {
  await tx.execute(sql`
    update webhook_deliveries set status = 'failed', next_attempt_at = null,
      ended_at = clock_timestamp(), error = coalesce(error, 'The webhook was disabled.')
    where webhook_id = ${webhookId} and status = 'pending'`);
}

/** Lists webhooks with due deliveries. */
export async function listDueWebhooks(db: Queryable, limit: number): Promise<Target[]> {
  const { rows } = await db.execute<Target & Record<string, unknown>>(sql`
    select w.org_id, w.id as webhook_id from webhooks w join organizations o on o.id = w.org_id
    where w.enabled and o.archived_at is null and exists (
      select from webhook_deliveries d where d.webhook_id = w.id and d.status = 'pending'
        and d.next_attempt_at <= clock_timestamp())
    limit ${limit}`);
  return rows;
}

/** Lists enabled webhooks with more than `most` waiting deliveries. */
export async function listBacklogs(db: Queryable, most: number): Promise<Target[]> {
  const { rows } = await db.execute<Target & Record<string, unknown>>(sql`
    select w.org_id, w.id as webhook_id from webhooks w
    where w.enabled and (select count(*) from (
      select from webhook_deliveries d where d.webhook_id = w.id and d.status = 'pending'
      limit ${most + 1}) waiting) > ${most}`);
  return rows;
}
