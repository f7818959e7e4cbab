import type { NotificationDelivery, PersonalWebhook } from "#shared/api/work/notifications.js";
import type { Database } from "../../../../db/connection/connect.js";
import { newId } from "../../../../db/tables/columns.js";
import { notFound } from "../../../../errors.js";
import {
  checkUrl,
  encryptSecret,
  newSecret,
  type Deliverer,
  type UrlRules,
} from "../../../operation/webhooks/index.js";
import type { PersonalTarget } from "../recipients/insert-notifications.queries.js";
import { findDelivery } from "../list-deliveries.js";
import * as queries from "./personal-webhook.queries.js";

export interface PersonalWebhookDeps {
  db: Database;
  rules: UrlRules;
  /** The installation's secret. */
  secret: string;
  deliverer: Deliverer<PersonalTarget>;
}

/** @throws AppError 404 */
export async function readWebhook(db: Database, userId: string): Promise<PersonalWebhook> {
  return shown(await storedWebhook(db, userId));
}

async function storedWebhook(db: Database, userId: string): Promise<queries.StoredWebhook> {
  const webhook = await db.withSystem("read a person's webhook", (tx) =>
    queries.findWebhook(tx, userId),
  );
  if (!webhook) throw notFound();
  return webhook;
}

/** Another secret goes with every address, so that no earlier holder of one can sign for it. @throws AppError 422 */
export async function setWebhook(
  { db, rules, secret, deliverer }: PersonalWebhookDeps,
  userId: string,
  url: string,
): Promise<PersonalWebhook & { secret: string | null }> {
  await checkUrl(url, rules, userId);
  const own = newSecret();
  const first = newId();
  const webhook = await db.withSystemTx("set a person's webhook", async (tx) => {
    const sealed = encryptSecret(secret, first, own);
    const id = await queries.reserveWebhook(tx, { id: first, userId, url, sealed });
    return queries.setWebhook(tx, { id, url, sealed: encryptSecret(secret, id, own) });
  });
  if (!webhook) throw notFound();
  deliverer.wake({ user_id: userId, webhook_id: webhook.id });
  return { ...shown(webhook), secret: own };
}

/** @throws AppError 404 */
export async function deleteWebhook(db: Database, userId: string): Promise<void> {
  const isDeleted = await db.withSystemTx("delete a person's webhook", (tx) =>
    queries.deleteWebhook(tx, userId),
  );
  if (!isDeleted) throw notFound();
}

/** Sends a test once, also to a disabled webhook. @throws AppError 404 */
export async function testWebhook(
  { db, deliverer }: PersonalWebhookDeps,
  userId: string,
): Promise<NotificationDelivery> {
  const { id: webhookId } = await storedWebhook(db, userId);
  const deliveryId = newId();
  await db.withSystem("create a test of a person's webhook", (tx) =>
    queries.insertTest(tx, { id: newId(), deliveryId, userId, webhookId }),
  );
  await deliverer.sendOne({ user_id: userId, webhook_id: webhookId }, deliveryId);
  const delivery = await findDelivery(db, userId, deliveryId);
  // The webhook was deleted meanwhile.
  if (!delivery) throw notFound();
  return delivery;
}

function shown({ id: _id, ...webhook }: queries.StoredWebhook): PersonalWebhook {
  return webhook;
}
