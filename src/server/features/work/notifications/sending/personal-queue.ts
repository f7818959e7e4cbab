import { testNotification } from "#shared/work/notification-kinds.js";
import type { Database } from "../../../../db/connection/connect.js";
import type { Claim, DeliveryQueue } from "../../../operation/webhooks/index.js";
import { describeNotification } from "../describe-notification.js";
import type { PersonalTarget } from "../recipients/insert-notifications.queries.js";
import { judgeNotifications } from "./judge-notifications.js";
import * as queries from "./webhook-attempts.queries.js";
import type { AttemptRow } from "./webhook-attempts.queries.js";

type PersonalClaim = Claim & PersonalTarget;

/** The deliveries of persons' webhooks. The person's access is judged at each attempt. */
export function personalQueue(
  db: Database,
  publicUrl: () => string,
): DeliveryQueue<PersonalTarget, PersonalClaim> {
  const isSkipped = async (row: AttemptRow): Promise<boolean> => {
    const notification = { ...row, id: row.notification_id };
    const skipped = await judgeNotifications(db, row.user_id, [notification]);
    const reason = skipped.get(row.notification_id);
    if (reason === undefined) return false;
    await db.withSystem("skip a notification", (tx) => queries.skipDelivery(tx, row.id, reason));
    return true;
  };
  const claimOf = (row: AttemptRow): PersonalClaim => ({
    ...row,
    happened_at: new Date(row.happened_at),
    created_at: new Date(row.created_at),
    message_id: row.notification_id,
    is_test: row.type === testNotification,
    data: dataOf(row, publicUrl()),
    sealed_previous_secret: null,
  });
  return {
    webhookOf: ({ webhook_id }) => webhook_id,
    ownerOf: ({ user_id }) => user_id,
    targetOf: ({ user_id, webhook_id }) => ({ user_id, webhook_id }),
    claimNext: async ({ webhook_id }) => {
      for (;;) {
        const row = await db.withSystemTx("claim a notification", (tx) =>
          queries.claimNext(tx, webhook_id),
        );
        if (!row) return undefined;
        if (!(await isSkipped(row))) return claimOf(row);
      }
    },
    claimOne: async (_target, id) => {
      const row = await db.withSystemTx("claim a notification", (tx) => queries.claimOne(tx, id));
      return row && (await isSkipped(row)) ? undefined : row && claimOf(row);
    },
    release: (claim) =>
      db.withSystem("release a notification", (tx) => queries.releaseClaim(tx, claim)),
    record: (claim, result) =>
      db.withSystemTx("record the attempt of a notification", async (tx) => {
        const isLast = await queries.recordResult(tx, claim, result);
        if (!isLast || (claim.is_test && result.error !== null)) return null;
        return queries.recordHealth(tx, claim.webhook_id, result.error);
      }),
    disable: (target, reason) =>
      db.withSystemTx("disable a person's webhook", (tx) =>
        queries.disableWebhook(tx, target, reason),
      ),
  };
}

/** The event's data, and the notification as a person reads it. */
function dataOf(row: AttemptRow, publicUrl: string): object {
  const { notification_id, kind, org_id, organization } = row;
  const { text, path } = describeNotification(row, (name) => `“${name}”`);
  return {
    ...row.data,
    notification: {
      id: notification_id,
      kind,
      organization: org_id === null ? null : { id: org_id, name: organization },
      text,
      url: path === null ? null : publicUrl + path,
    },
  };
}
