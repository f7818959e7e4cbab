import type { NotificationDelivery } from "#shared/api/work/notifications.js";
import type { Database } from "../../../db/connection/connect.js";
import { describeNotification } from "./describe-notification.js";
import { readableOrganizations } from "./readable-organizations.js";
import * as queries from "./deliveries.queries.js";
import type { DeliveryFilter, DeliveryRow } from "./deliveries.queries.js";

/** Lists a person's deliveries, newest first. They name only what the person may still read. */
export async function listDeliveries(
  db: Database,
  userId: string,
  filter: DeliveryFilter,
): Promise<NotificationDelivery[]> {
  const rows = await db.withSystem("list a person's notifications", (tx) =>
    queries.listDeliveries(tx, userId, filter),
  );
  return presentDeliveries(db, userId, rows);
}

export async function findDelivery(
  db: Database,
  userId: string,
  id: string,
): Promise<NotificationDelivery | undefined> {
  const rows = await db.withSystem("read a person's notification", (tx) =>
    queries.findDelivery(tx, userId, id),
  );
  return (await presentDeliveries(db, userId, rows))[0];
}

async function presentDeliveries(
  db: Database,
  userId: string,
  rows: readonly DeliveryRow[],
): Promise<NotificationDelivery[]> {
  const mayRead = await readableOrganizations(db, userId, rows);
  return rows.map((row) => {
    const { org_id, organization, data: _data, ...delivery } = row;
    if (!mayRead(row)) return { ...delivery, organization: null, text: null, path: null };
    return {
      ...delivery,
      organization: org_id === null ? null : { id: org_id, name: organization ?? "" },
      ...describeNotification(row, (name) => `“${name}”`),
    };
  });
}
