import type {
  DeliveryWithPayload,
  NewWebhook,
  Webhook,
  WebhookChanges,
} from "#shared/api/operation/webhooks.js";
import { permissionsOfPatterns } from "#shared/operation/event-types.js";
import { denyMissingPermission, requirePermission, type Access } from "../../../access/access.js";
import { diffFields } from "../../../db/audit/audit.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { newId } from "../../../db/tables/columns.js";
import { AppError, notFound } from "../../../errors.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import { giveUpDeliveries, type Target } from "./attempts.queries.js";
import { checkUrl, type UrlRules } from "./sending/check-url.js";
import * as deliveries from "./deliveries.queries.js";
import type { Deliverer } from "./sending/create-deliverer.js";
import { encryptSecret, newSecret } from "./sending/sign.js";
import * as queries from "./webhooks.queries.js";

export interface WebhookDeps {
  rules: UrlRules;
  /** The installation's secret. */
  secret: string;
  deliverer: Deliverer<Target>;
}

type WebhookWithSecret = Webhook & { secret: string | null };

const MAX_WEBHOOKS = 20;
/** How long the secret before a rotation signs as well. */
const GRACE_HOURS = 24;

/** The URL may contain a credential, so that the audit log names the host only. */
const targetOf = ({ id, url }: Pick<Webhook, "id" | "url">) =>
  ({ type: "webhook", id, name: new URL(url).host }) as const;

/**
 * Creates a webhook.
 * @throws AppError 403 without the permission to read a chosen event's subject; 409 `too_many_webhooks`; 422
 */
export async function createWebhook(
  { rules, secret }: WebhookDeps,
  context: OrgContext,
  { url, events, description = null }: NewWebhook,
): Promise<WebhookWithSecret> {
  requireEvents(context.access, events);
  await checkUrl(url, rules, context.orgId);
  const id = newId();
  const own = newSecret();
  return context.change(async (tx, audit, access) => {
    denyMissingEvents(access, events);
    if ((await queries.countWebhooks(tx)) >= MAX_WEBHOOKS) {
      throw new AppError(
        "too_many_webhooks",
        `An organization has at most ${MAX_WEBHOOKS} webhooks; delete one first.`,
      );
    }
    const sealed_secret = encryptSecret(secret, id, own);
    const created_by = context.actor.userId;
    const row = { id, org_id: context.orgId, url, events, description, sealed_secret, created_by };
    await queries.insertWebhook(tx, row);
    const created = await readWebhook(tx, id);
    audit({
      action: "webhook.created",
      target: targetOf(created),
      changes: diffFields(null, { events: events.join(", "), description }, [
        "events",
        "description",
      ]),
    });
    return { ...created, secret: own };
  });
}

/** @throws AppError 403; 404; 422 */
export async function updateWebhook(
  { rules }: WebhookDeps,
  context: OrgContext,
  id: string,
  { enabled, ...given }: WebhookChanges,
): Promise<Webhook> {
  if (given.events) requireEvents(context.access, given.events);
  if (given.url !== undefined) await checkUrl(given.url, rules, context.orgId);
  return context.change(async (tx, audit, access) => {
    if (given.events) denyMissingEvents(access, given.events);
    const before = await readWebhook(tx, id);
    // Another address, or an end of its rest, would send them to the caller.
    const sendsMore = given.url !== undefined || enabled === true;
    if (sendsMore) denyMissingEvents(access, given.events ?? before.events);
    const changes = Object.fromEntries(
      Object.entries(given).filter(([, value]) => value !== undefined),
    ) as Partial<Pick<Webhook, "url" | "events" | "description">>;
    const isSwitched = enabled !== undefined && enabled !== before.enabled;
    if (!isSwitched && Object.keys(changes).length === 0) return before;
    await queries.updateWebhook(tx, id, { ...changes, ...(isSwitched ? switched(enabled) : {}) });
    if (isSwitched && !enabled) await giveUpDeliveries(tx, id);
    const after = await readWebhook(tx, id);
    const text = ({ events, ...webhook }: Webhook) => ({ ...webhook, events: events.join(", ") });
    const differing = diffFields(text(before), text(after), ["events", "description", "enabled"]);
    if (before.url !== after.url) {
      differing["url"] = { from: new URL(before.url).host, to: new URL(after.url).host };
    }
    if (Object.keys(differing).length > 0) {
      audit({ action: "webhook.updated", target: targetOf(after), changes: differing });
    }
    return after;
  });
}

function switched(enabled: boolean) {
  return enabled
    ? { enabled, disabled_reason: null, disabled_at: null, notice_due: false, failing_since: null }
    : { enabled, disabled_reason: "manual" as const, disabled_at: new Date().toISOString() };
}

/** @throws AppError 404 */
export async function deleteWebhook(context: OrgContext, id: string): Promise<void> {
  await context.change(async (tx, audit) => {
    const webhook = await readWebhook(tx, id);
    await queries.deleteWebhook(tx, id);
    audit({ action: "webhook.deleted", target: targetOf(webhook) });
  });
}

/** Replaces the secret; the previous one signs as well for a day. @throws AppError 403; 404 */
export async function rotateSecret(
  { secret }: WebhookDeps,
  context: OrgContext,
  id: string,
): Promise<WebhookWithSecret> {
  const own = newSecret();
  return context.change(async (tx, audit, access) => {
    denyMissingEvents(access, (await readWebhook(tx, id)).events);
    await queries.rotateSecret(tx, id, encryptSecret(secret, id, own), GRACE_HOURS);
    const webhook = await readWebhook(tx, id);
    audit({ action: "webhook.secret_rotated", target: targetOf(webhook) });
    return { ...webhook, secret: own };
  });
}

/** Sends a test event once, also of a disabled webhook. @throws AppError 404 */
export async function testWebhook(
  { deliverer }: WebhookDeps,
  context: OrgContext,
  id: string,
): Promise<DeliveryWithPayload> {
  const { orgId, actor } = context;
  const deliveryId = await context.change(async (tx) => {
    const { name } = targetOf(await readWebhook(tx, id));
    const by = { type: actor.kind, id: actor.userId };
    return deliveries.insertTest(tx, { orgId, webhookId: id, name, actor: by });
  });
  await deliverer.sendOne({ org_id: orgId, webhook_id: id }, deliveryId);
  return context.tx((tx) => readDelivery(tx, id, deliveryId));
}

/** Sends an event again. @throws AppError 404; 409 `webhook_disabled` */
export async function redeliver(
  { deliverer }: WebhookDeps,
  context: OrgContext,
  webhookId: string,
  deliveryId: string,
): Promise<DeliveryWithPayload> {
  const sent = await context.change(async (tx) => {
    const { enabled } = await readWebhook(tx, webhookId);
    const { status } = await readDelivery(tx, webhookId, deliveryId);
    if (!enabled) {
      throw new AppError("webhook_disabled", "The webhook is disabled; enable it first.");
    }
    if (status !== "pending") return deliveries.insertRedelivery(tx, deliveryId);
    await deliveries.hastenDelivery(tx, deliveryId);
    return deliveryId;
  });
  deliverer.wake({ org_id: context.orgId, webhook_id: webhookId });
  return context.tx((tx) => readDelivery(tx, webhookId, sent));
}

/** @throws AppError 404 */
export async function readWebhook(tx: Queryable, id: string): Promise<Webhook> {
  const webhook = await queries.findWebhook(tx, id);
  if (!webhook) throw notFound();
  return webhook;
}

/** @throws AppError 404 */
export async function readDelivery(
  tx: Queryable,
  webhookId: string,
  id: string,
): Promise<DeliveryWithPayload> {
  const found = await deliveries.findDelivery(tx, webhookId, id);
  if (!found) throw notFound();
  return found;
}

/** A webhook sends only what its author may read, and shows only what a reader may. @throws AppError 403 */
export function requireEvents(access: Access, patterns: readonly string[]): void {
  for (const permission of permissionsOfPatterns(patterns)) requirePermission(access, permission);
}

function denyMissingEvents(access: Access, patterns: readonly string[]): void {
  for (const permission of permissionsOfPatterns(patterns)) {
    denyMissingPermission(access, permission);
  }
}
