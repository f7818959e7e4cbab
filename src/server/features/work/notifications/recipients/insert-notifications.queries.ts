import { sql } from "drizzle-orm";
import { notificationKinds, type NotificationKind } from "#shared/work/notification-kinds.js";
import type { Queryable } from "../../../../db/connection/connect.js";

/** A notification of a person. */
export interface NewNotification {
  id: string;
  user_id: string;
  org_id: string | null;
  kind: NotificationKind;
  /** A person gets one notification with a key. */
  key: string;
  type: string;
  data: object;
  /** RFC 3339 */
  happened_at: string;
}

/** A webhook with a new delivery. */
export interface PersonalTarget {
  user_id: string;
  webhook_id: string;
}

/** The choice of a person `u` for the kind and the organization of `w`; no row for the default. */
export const chosen = sql`(
  select c.email, c.webhook, c.scope from notification_choices c
  where c.user_id = u.id and c.kind = w.kind and (c.org_id = w.org_id or c.org_id is null)
  order by c.org_id nulls last limit 1)`;

/** A user `u` who is a person that can be notified; service accounts are none. */
export const isPerson = sql`(u.is_active and u.deleted_at is null
  and u.kind = 'person')`;

/**
 * Records notifications with a delivery for each channel that the person has chosen, and that exists: a confirmed
 * address, an enabled webhook. Those without a channel, and those with a known key, are left out. Requires a system
 * transaction.
 */
export async function insertNotifications(
  tx: Queryable,
  notifications: readonly NewNotification[],
): Promise<PersonalTarget[]> {
  if (notifications.length === 0) return [];
  const list = notifications.map(({ kind, ...rest }) => {
    const { email, webhook } = notificationKinds[kind].default;
    return { ...rest, kind, email, webhook };
  });
  const { rows } = await tx.execute<PersonalTarget & Record<string, unknown>>(sql`
    with wanted as (
      select w.*, coalesce(c.email, w.email) and u.is_verified as by_email,
        coalesce(c.webhook, w.webhook) and h.id is not null as by_webhook, h.id as webhook_id
      from jsonb_to_recordset(${JSON.stringify(list)}::jsonb) as w(id uuid, user_id uuid, org_id uuid,
        kind text, key text, type text, data jsonb, happened_at timestamptz, email boolean, webhook boolean)
      join users u on u.id = w.user_id and ${isPerson}
      left join lateral ${chosen} c on true
      left join notification_webhooks h on h.user_id = w.user_id and h.enabled
    ), told as (
      insert into notifications (id, user_id, org_id, kind, key, type, data, happened_at)
      select id, user_id, org_id, kind, key, type, data, happened_at from wanted
      where by_email or by_webhook
      on conflict (user_id, key) do nothing
      returning id
    )
    insert into notification_deliveries (id, notification_id, user_id, channel, webhook_id)
    select gen_random_uuid(), w.id, w.user_id, v.channel, v.webhook_id
    from told join wanted w using (id)
    cross join lateral (values ('email', w.by_email, null::uuid), ('webhook', w.by_webhook, w.webhook_id))
      as v(channel, is_wanted, webhook_id)
    where v.is_wanted
    returning user_id, webhook_id`);
  const targets = rows.filter(({ webhook_id }) => webhook_id !== null);
  return [...new Map(targets.map((target) => [target.webhook_id, target])).values()];
}
