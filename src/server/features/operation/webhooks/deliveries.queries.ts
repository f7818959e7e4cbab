import { and, desc, eq, sql, type SQL } from "drizzle-orm";
import type { Delivery, DeliveryWithPayload } from "#shared/api/operation/webhooks.js";
import { testEvent } from "#shared/operation/event-types.js";
import type { DeliveryStatus } from "#shared/operation/webhook-choices.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { newId } from "../../../db/tables/columns.js";
import { events, webhookDeliveries as deliveries } from "../../../db/tables/tables.js";

const deliveryColumns = {
  id: deliveries.id,
  event_id: deliveries.event_id,
  event_type: events.type,
  status: deliveries.status,
  is_redelivery: deliveries.is_redelivery,
  attempts: deliveries.attempts,
  created_at: deliveries.created_at,
  next_attempt_at: deliveries.next_attempt_at,
  ended_at: deliveries.ended_at,
  at: deliveries.attempted_at,
  duration_ms: deliveries.duration_ms,
  response_status: deliveries.response_status,
  response_body: deliveries.response_body,
  error: deliveries.error,
};

const selectDeliveries = (tx: Queryable) =>
  tx.select(deliveryColumns).from(deliveries).innerJoin(events, eq(events.id, deliveries.event_id));

type DeliveryRow = Awaited<ReturnType<typeof selectDeliveries>>[number];

function deliveryOf(row: DeliveryRow): Delivery {
  const { at, duration_ms, response_status, response_body, error, ...delivery } = row;
  const last_attempt =
    at === null ? null : { at, duration_ms, response_status, response_body, error };
  return { ...delivery, last_attempt };
}

interface Page {
  status: DeliveryStatus | null;
  /** The last delivery of the page before. */
  before: readonly [createdAt: string, id: string] | null;
  limit: number;
}

/** Lists the deliveries of a webhook, newest first. */
export async function listDeliveries(
  tx: Queryable,
  webhookId: string,
  { status, before, limit }: Page,
): Promise<Delivery[]> {
  const conditions: (SQL | undefined)[] = [
    eq(deliveries.webhook_id, webhookId),
    before === null
      ? undefined
      : sql`(${deliveries.created_at}, ${deliveries.id}) < (${before[0]}::timestamptz, ${before[1]}::uuid)`,
    status === null ? undefined : eq(deliveries.status, status),
  ];
  const rows = await selectDeliveries(tx)
    .where(and(...conditions))
    .orderBy(desc(deliveries.created_at), desc(deliveries.id))
    .limit(limit);
  return rows.map(deliveryOf);
}

export async function findDelivery(
  tx: Queryable,
  webhookId: string,
  id: string,
): Promise<DeliveryWithPayload | undefined> {
  const [row] = await tx
    .select({ ...deliveryColumns, happened_at: events.created_at, data: events.data })
    .from(deliveries)
    .innerJoin(events, eq(events.id, deliveries.event_id))
    .where(and(eq(deliveries.webhook_id, webhookId), eq(deliveries.id, id)));
  if (!row) return undefined;
  const { happened_at, data, ...rest } = row;
  const payload = { type: row.event_type, timestamp: happened_at, data };
  return { ...deliveryOf(rest), payload };
}

/** Creates a delivery of a new `webhook.test` event, which is sent once. Returns its id. */
export async function insertTest(
  tx: Queryable,
  {
    orgId,
    webhookId,
    name,
    actor,
  }: { orgId: string; webhookId: string; name: string; actor: object },
): Promise<string> {
  const id = newId();
  const eventId = newId();
  const subject = { type: "webhook", id: webhookId, name };
  const data = JSON.stringify({ organization_id: orgId, subject, actor });
  await tx.execute(sql`
    with happened as (
      insert into events (id, org_id, type, subject_id, data)
      values (${eventId}, ${orgId}, ${testEvent}, ${webhookId}, ${data}::jsonb)
      returning number
    )
    insert into webhook_deliveries (id, org_id, webhook_id, event_id, number, subject_id)
    select ${id}::uuid, ${orgId}::uuid, ${webhookId}::uuid, ${eventId}::uuid, number, ${id}::uuid
    from happened`);
  return id;
}

/** Creates another delivery of the same event. Returns its id. */
export async function insertRedelivery(tx: Queryable, of: string): Promise<string> {
  const id = newId();
  await tx.execute(sql`
    insert into webhook_deliveries
      (id, org_id, webhook_id, event_id, number, subject_id, is_redelivery)
    select ${id}::uuid, org_id, webhook_id, event_id, number, ${id}::uuid, true
    from webhook_deliveries where id = ${of}`);
  return id;
}

/** Lets the next attempt of a pending delivery start now, after those of its subject before it. */
export async function hastenDelivery(tx: Queryable, id: string): Promise<void> {
  await tx.execute(sql`
    update webhook_deliveries d set next_attempt_at = clock_timestamp()
    from webhook_deliveries asked
    where asked.id = ${id} and d.webhook_id = asked.webhook_id and d.subject_id = asked.subject_id
      and d.status = 'pending' and d.number <= asked.number
      -- An attempt in progress is not repeated.
      and (d.attempted_at is null or d.duration_ms is not null)`);
}

/** Deletes events, with their deliveries, after `days`. */
export async function deleteOldEvents(db: Queryable, days: number, batch: number): Promise<number> {
  const { rowCount } = await db.execute(sql`
    delete from events where id in (
      select id from events where created_at < now() - make_interval(days => ${days})
      order by created_at limit ${batch})`);
  return rowCount ?? 0;
}

/** Ends pending deliveries that are no longer sent: the webhook is disabled or its organization archived. */
export async function giveUpIdleDeliveries(db: Queryable, hours: number): Promise<void> {
  await db.execute(sql`
    update webhook_deliveries set status = 'failed', next_attempt_at = null,
      ended_at = clock_timestamp(),
      error = coalesce(error, 'It was not sent within a day.')
    where id in (
      select id from webhook_deliveries
      where status = 'pending' and next_attempt_at < now() - interval '1 hour'
        and created_at < now() - make_interval(hours => ${hours})
      limit 10000)`);
}
