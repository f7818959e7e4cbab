/** Persons' webhooks. Everything here requires a system transaction. */
import { sql } from "drizzle-orm";
import type { PersonalWebhook } from "#shared/api/work/notifications.js";
import { testNotification } from "#shared/work/notification-kinds.js";
import type { Queryable } from "../../../../db/connection/connect.js";

export type StoredWebhook = PersonalWebhook & { id: string };

const columns = sql`id, url, enabled, disabled_reason, wire_time(disabled_at) as disabled_at,
  wire_time(failing_since) as failing_since, wire_time(created_at) as created_at,
  wire_time(updated_at) as updated_at`;

export async function findWebhook(
  tx: Queryable,
  userId: string,
): Promise<StoredWebhook | undefined> {
  const { rows } = await tx.execute<StoredWebhook & Record<string, unknown>>(
    sql`select ${columns} from notification_webhooks where user_id = ${userId}`,
  );
  return rows[0];
}

/** Returns the id of a person's webhook, which a concurrent call may have inserted before. */
export async function reserveWebhook(
  tx: Queryable,
  { id, userId, url, sealed }: { id: string; userId: string; url: string; sealed: Buffer },
): Promise<string> {
  await tx.execute(sql`
    insert into notification_webhooks (id, user_id, url, sealed_secret)
    values (${id}, ${userId}, ${url}, ${sealed}) on conflict (user_id) do nothing`);
  const { rows } = await tx.execute<{ id: string }>(
    sql`select id from notification_webhooks where user_id = ${userId} for update`,
  );
  return rows[0]?.id ?? id;
}

/** Sets the address and the secret, and enables the webhook. */
export async function setWebhook(
  tx: Queryable,
  { id, url, sealed }: { id: string; url: string; sealed: Buffer },
): Promise<StoredWebhook | undefined> {
  const { rows } = await tx.execute<StoredWebhook & Record<string, unknown>>(sql`
    update notification_webhooks set url = ${url}, sealed_secret = ${sealed}, enabled = true,
      disabled_reason = null, disabled_at = null, notice_due = false, failing_since = null,
      updated_at = clock_timestamp()
    where id = ${id} returning ${columns}`);
  return rows[0];
}

/** @returns whether there was one */
export async function deleteWebhook(tx: Queryable, userId: string): Promise<boolean> {
  const { rowCount } = await tx.execute(
    sql`delete from notification_webhooks where user_id = ${userId}`,
  );
  return (rowCount ?? 0) > 0;
}

/** Removes what a person's account says about notifications, when its owner takes it over. */
export async function removeSettings(tx: Queryable, userId: string): Promise<void> {
  await deleteWebhook(tx, userId);
  await tx.execute(sql`delete from notification_choices where user_id = ${userId}`);
}

/** Creates a test with its delivery. */
export async function insertTest(
  tx: Queryable,
  {
    id,
    deliveryId,
    userId,
    webhookId,
  }: { id: string; deliveryId: string; userId: string; webhookId: string },
): Promise<void> {
  const data = JSON.stringify({ organization_id: null, subject: null, actor: null });
  await tx.execute(sql`
    with told as (
      insert into notifications (id, user_id, key, type, data, happened_at)
      values (${id}, ${userId}, ${id}, ${testNotification}, ${data}::jsonb, clock_timestamp())
      returning id
    )
    insert into notification_deliveries (id, notification_id, user_id, channel, webhook_id)
    select ${deliveryId}::uuid, id, ${userId}::uuid, 'webhook', ${webhookId}::uuid from told`);
}

export interface Notice {
  id: string;
  url: string;
  reason: NonNullable<PersonalWebhook["disabled_reason"]>;
  /** Null without a confirmed address. */
  email: string | null;
}

/** Lists disabled webhooks whose persons are still to be told. */
export async function listNotices(tx: Queryable, limit: number): Promise<Notice[]> {
  const { rows } = await tx.execute<Notice & Record<string, unknown>>(sql`
    select w.id, w.url, w.disabled_reason as reason,
      case when u.is_active and u.is_verified then u.email end as email
    from notification_webhooks w join users u on u.id = w.user_id
    where w.notice_due order by w.disabled_at limit ${limit}`);
  return rows;
}

export async function clearNotice(tx: Queryable, id: string): Promise<void> {
  await tx.execute(sql`update notification_webhooks set notice_due = false where id = ${id}`);
}

/** Deletes notifications, with their deliveries, after `days`. */
export async function deleteOldNotifications(
  tx: Queryable,
  days: number,
  batch: number,
): Promise<number> {
  const { rowCount } = await tx.execute(sql`
    delete from notifications where id in (
      select id from notifications where created_at < now() - make_interval(days => ${days})
      order by created_at limit ${batch})`);
  return rowCount ?? 0;
}
