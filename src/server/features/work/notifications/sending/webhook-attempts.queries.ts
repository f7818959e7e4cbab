/** Attempts of deliveries to persons' webhooks. Everything here requires a system transaction. */
import { sql, type SQL } from "drizzle-orm";
import type { Queryable } from "../../../../db/connection/connect.js";
import type { Result } from "../../../operation/webhooks/index.js";
import type { PersonalTarget } from "../recipients/insert-notifications.queries.js";
import type { NotificationData } from "../notification.js";

/** A claimed delivery with its notification and its webhook. */
export interface AttemptRow extends Record<string, unknown> {
  id: string;
  webhook_id: string;
  user_id: string;
  notification_id: string;
  org_id: string | null;
  organization: string | null;
  kind: string | null;
  type: string;
  data: NotificationData & Record<string, unknown>;
  /** RFC 3339 */
  happened_at: string;
  created_at: string;
  attempts: number;
  url: string;
  is_failing: boolean;
  sealed_secret: Buffer;
}

/** Longer than an attempt: afterwards another process may try again. */
const LEASE_SECONDS = 30;

async function claim(tx: Queryable, due: SQL): Promise<AttemptRow | undefined> {
  // It is materialized, because a plan that repeats it would claim another row each time.
  const { rows } = await tx.execute<AttemptRow>(sql`
    with due as materialized (${due})
    update notification_deliveries d set attempts = d.attempts + 1, attempted_at = clock_timestamp(),
      next_attempt_at = clock_timestamp() + make_interval(secs => ${LEASE_SECONDS}),
      duration_ms = null, response_status = null, response_body = null, error = null
    from due, notification_webhooks w, notifications n left join organizations o on o.id = n.org_id
    where d.id = due.id and w.id = d.webhook_id and n.id = d.notification_id
    returning d.id, d.webhook_id, d.user_id, d.notification_id, n.org_id, o.name as organization, n.kind,
      n.type, n.data, wire_time(n.happened_at) as happened_at, wire_time(d.created_at) as created_at, d.attempts, w.url,
      w.failing_since is not null as is_failing, w.sealed_secret`);
  return rows[0];
}

/** Claims the next due delivery of an enabled webhook, the oldest first. */
export function claimNext(tx: Queryable, webhookId: string): Promise<AttemptRow | undefined> {
  return claim(
    tx,
    sql`select p.id from notification_deliveries p
      where p.webhook_id = ${webhookId} and p.status = 'pending' and p.channel = 'webhook'
        and p.next_attempt_at <= clock_timestamp()
        and exists (select from notification_webhooks w where w.id = p.webhook_id and w.enabled)
      order by p.next_attempt_at, p.id limit 1 for update of p skip locked`,
  );
}

/** Claims one delivery; undefined if it has ended. */
export function claimOne(tx: Queryable, id: string): Promise<AttemptRow | undefined> {
  return claim(
    tx,
    sql`select id from notification_deliveries
      where id = ${id} and status = 'pending' and channel = 'webhook' for update`,
  );
}

/** Ends a delivery that the person gets no more. */
export async function skipDelivery(tx: Queryable, id: string, reason: string): Promise<void> {
  await tx.execute(sql`
    update notification_deliveries set status = 'skipped', next_attempt_at = null,
      ended_at = clock_timestamp(), error = ${reason}
    where id = ${id} and status = 'pending'`);
}

/** @returns false if a later attempt has begun */
export async function recordResult(
  tx: Queryable,
  { id, attempts }: { id: string; attempts: number },
  { status, body, error, duration_ms, nextAttempt }: Result,
): Promise<boolean> {
  const state = error === null ? "delivered" : nextAttempt === null ? "failed" : "pending";
  const { rowCount } = await tx.execute(sql`
    update notification_deliveries set status = ${state},
      next_attempt_at = ${nextAttempt?.toISOString() ?? null}::timestamptz,
      ended_at = case when ${state} <> 'pending' then clock_timestamp() end,
      duration_ms = ${duration_ms}, response_status = ${status}, response_body = ${body}, error = ${error}
    where id = ${id} and attempts = ${attempts} and status = 'pending'`);
  return (rowCount ?? 0) > 0;
}

/** Ends an attempt that the server aborted when it stopped. */
export async function releaseClaim(
  tx: Queryable,
  { id, attempts }: { id: string; attempts: number },
): Promise<void> {
  await tx.execute(sql`
    update notification_deliveries set next_attempt_at = clock_timestamp(), duration_ms = 0,
      error = 'The server stopped before the receiver answered.'
    where id = ${id} and attempts = ${attempts} and status = 'pending'`);
}

/** Records whether the webhook works. Returns since when it fails; null if it works. */
export async function recordHealth(
  tx: Queryable,
  webhookId: string,
  error: string | null,
): Promise<Date | null> {
  const { rows } = await tx.execute<{ failing_since: string | null }>(sql`
    update notification_webhooks
    set failing_since = case when ${error}::text is not null
      then coalesce(failing_since, clock_timestamp()) end
    where id = ${webhookId} and (${error}::text is not null or failing_since is not null)
    returning wire_time(failing_since) as failing_since`);
  const since = rows[0]?.failing_since ?? null;
  return since === null ? null : new Date(since);
}

/** Disables a webhook, gives up its waiting deliveries, and has the person told. */
export async function disableWebhook(
  tx: Queryable,
  { webhook_id }: PersonalTarget,
  reason: "gone" | "failing" | "backlog",
): Promise<void> {
  const { rowCount } = await tx.execute(sql`
    update notification_webhooks set enabled = false, disabled_reason = ${reason},
      disabled_at = clock_timestamp(), notice_due = true, updated_at = clock_timestamp()
    where id = ${webhook_id} and enabled`);
  if (rowCount === 0) return;
  await tx.execute(sql`
    update notification_deliveries set status = 'failed', next_attempt_at = null,
      ended_at = clock_timestamp(), error = coalesce(error, 'The webhook was disabled.')
    where webhook_id = ${webhook_id} and status = 'pending'`);
}

/** Lists webhooks with due deliveries. */
export async function listDueWebhooks(tx: Queryable, limit: number): Promise<PersonalTarget[]> {
  const { rows } = await tx.execute<PersonalTarget & Record<string, unknown>>(sql`
    select w.user_id, w.id as webhook_id from notification_webhooks w
    where w.enabled and exists (
      select from notification_deliveries d where d.webhook_id = w.id and d.status = 'pending'
        and d.channel = 'webhook' and d.next_attempt_at <= clock_timestamp())
    limit ${limit}`);
  return rows;
}

/** Lists enabled webhooks with more than `most` waiting deliveries. */
export async function listBacklogs(tx: Queryable, most: number): Promise<PersonalTarget[]> {
  const { rows } = await tx.execute<PersonalTarget & Record<string, unknown>>(sql`
    select w.user_id, w.id as webhook_id from notification_webhooks w
    where w.enabled and (select count(*) from (
      select from notification_deliveries d where d.webhook_id = w.id and d.status = 'pending'
        and d.channel = 'webhook' limit ${most + 1}) waiting) > ${most}`);
  return rows;
}
