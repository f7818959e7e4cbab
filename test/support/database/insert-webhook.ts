import { randomUUID } from "node:crypto";
import type { TestApp } from "../server/app.js";
import { queryAsOwner } from "./queries.js";

/** Inserts a webhook with deliveries that have ended. Its address is refused, so that nothing is sent. */
export async function insertWebhook(
  app: TestApp,
  orgId: string,
  userId: string,
  deliveries = 1,
): Promise<{ webhookId: string; deliveryId: string }> {
  const webhookId = randomUUID();
  await queryAsOwner(
    app,
    `insert into webhooks (id, org_id, url, events, sealed_secret, created_by)
     values ($1, $2, 'https://127.0.0.1/hook', '{webhook.created}', '', $3)`,
    [webhookId, orgId, userId],
  );
  let deliveryId = "";
  for (let count = 0; count < deliveries; count += 1) {
    deliveryId = randomUUID();
    await queryAsOwner(
      app,
      `with happened as (
         insert into events (id, org_id, type, subject_id, data)
         values ($1, $2, 'webhook.created', $3, '{}') returning number
       )
       insert into webhook_deliveries
         (id, org_id, webhook_id, event_id, number, subject_id, status, next_attempt_at, ended_at)
       select $1, $2, $3, $1, number, $3, 'delivered', null, now() from happened`,
      [deliveryId, orgId, webhookId],
    );
  }
  return { webhookId, deliveryId };
}
