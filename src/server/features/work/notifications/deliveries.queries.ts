import { sql, type SQL } from "drizzle-orm";
import type { NotificationDelivery } from "#shared/api/work/notifications.js";
import type { Queryable } from "../../../db/connection/connect.js";
import type { NotificationData } from "./notification.js";

export type DeliveryRow = Omit<NotificationDelivery, "organization" | "text" | "path"> & {
  org_id: string | null;
  organization: string | null;
  data: NotificationData;
};

export interface DeliveryFilter {
  channel: string | null;
  status: string | null;
  /** The last delivery of the page before. */
  before: readonly [createdAt: string, id: string] | null;
  limit: number;
}

const select = sql`
  select d.id, d.notification_id, d.channel, n.kind, n.type, n.org_id, o.name as organization, n.data,
    d.status, d.attempts, wire_time(d.created_at) as created_at,
    wire_time(d.next_attempt_at) as next_attempt_at, wire_time(d.ended_at) as ended_at, d.response_status,
    d.error
  from notification_deliveries d join notifications n on n.id = d.notification_id
  left join organizations o on o.id = n.org_id`;

type Row = DeliveryRow & Record<string, unknown>;

/** Lists the deliveries of a person, newest first. Requires a system transaction. */
export async function listDeliveries(
  tx: Queryable,
  userId: string,
  { channel, status, before, limit }: DeliveryFilter,
): Promise<DeliveryRow[]> {
  const conditions: SQL[] = [sql`d.user_id = ${userId}`];
  if (channel !== null) conditions.push(sql`d.channel = ${channel}`);
  if (status !== null) conditions.push(sql`d.status = ${status}`);
  if (before !== null) {
    conditions.push(sql`(d.created_at, d.id) < (${before[0]}::timestamptz, ${before[1]}::uuid)`);
  }
  const { rows } = await tx.execute<Row>(
    sql`${select} where ${sql.join(conditions, sql` and `)} order by d.created_at desc, d.id desc limit ${limit}`,
  );
  return rows;
}

/** Returns the delivery of a person with an id, or no row. Requires a system transaction. */
export async function findDelivery(
  tx: Queryable,
  userId: string,
  id: string,
): Promise<DeliveryRow[]> {
  const { rows } = await tx.execute<Row>(
    sql`${select} where d.user_id = ${userId} and d.id = ${id}`,
  );
  return rows;
}
