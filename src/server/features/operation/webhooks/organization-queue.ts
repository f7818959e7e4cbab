import { testEvent } from "#shared/operation/event-types.js";
import { systemOrigin } from "../../../db/audit/audit.js";
import type { Database } from "../../../db/connection/connect.js";
import * as queries from "./attempts.queries.js";
import type { OrganizationClaim, Target } from "./attempts.queries.js";
import type { DeliveryQueue } from "./sending/create-deliverer.js";
import { findWebhook, updateWebhook } from "./webhooks.queries.js";

/** The deliveries of organizations' webhooks. */
export function organizationQueue(db: Database): DeliveryQueue<Target, OrganizationClaim> {
  const claimOf = (row: queries.ClaimRow | undefined): OrganizationClaim | undefined =>
    row && { ...row, message_id: row.event_id, is_test: row.type === testEvent };
  return {
    webhookOf: ({ webhook_id }) => webhook_id,
    ownerOf: ({ org_id }) => org_id,
    targetOf: ({ org_id, webhook_id }) => ({ org_id, webhook_id }),
    claimNext: async ({ org_id, webhook_id }) =>
      claimOf(await db.tenant(org_id, (tx) => queries.claimNext(tx, webhook_id))),
    claimOne: async ({ org_id }, id) =>
      claimOf(await db.tenant(org_id, (tx) => queries.claimOne(tx, id))),
    release: (claim) => db.tenant(claim.org_id, (tx) => queries.releaseClaim(tx, claim)),
    record: (claim, result) =>
      db.tenant(claim.org_id, async (tx) => {
        const isLast = await queries.recordResult(tx, claim, result);
        if (!isLast || (claim.is_test && result.error !== null)) return null;
        return queries.recordHealth(tx, claim, result.error);
      }),
    disable: (target, reason) => disableWebhook(db, target, reason),
  };
}

/** Disables a webhook and gives up its waiting deliveries. Its owners get an email. */
export async function disableWebhook(
  db: Database,
  { org_id, webhook_id }: Target,
  reason: "gone" | "failing" | "backlog",
): Promise<void> {
  await db.change(org_id, systemOrigin, async (tx, audit) => {
    const webhook = await findWebhook(tx, webhook_id);
    if (!webhook?.enabled) return;
    const changes = {
      enabled: false,
      disabled_reason: reason,
      disabled_at: new Date().toISOString(),
    };
    await updateWebhook(tx, webhook_id, { ...changes, notice_due: true });
    await queries.giveUpDeliveries(tx, webhook_id);
    audit({
      action: "webhook.disabled",
      target: { type: "webhook", id: webhook_id, name: new URL(webhook.url).host },
      changes: { disabled_reason: { from: null, to: reason } },
    });
  });
}
