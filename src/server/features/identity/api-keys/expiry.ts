import { systemOrigin } from "../../../db/audit/audit.js";
import type { Database } from "../../../db/connection/connect.js";
import { newId } from "../../../db/tables/columns.js";
import { insertNotifications } from "../../work/notifications/index.js";
import * as queries from "./api-keys.queries.js";
import { auditKey } from "./present-key.js";

const batch = 50;

/**
 * Announces keys that expire within a week, and again within a day, once each: to their owners by a notification, and
 * to the organizations that their scopes name by the audit log.
 */
export async function announceExpiringKeys(db: Database): Promise<void> {
  for (const notice of queries.expiryNotices) {
    for (;;) {
      const ending = await db.systemChange(systemOrigin, async (tx, audit) => {
        const keys = await queries.claimExpiringKeys(tx, notice, batch);
        for (const key of keys) {
          await auditKey(tx, audit, { action: "api_key.expiring", key, before: key, after: key });
        }
        await insertNotifications(
          tx,
          keys.map((key) => ownNotification(key, notice.days)),
        );
        return keys.length;
      });
      if (ending < batch) break;
    }
  }
}

/** The notification of a key's owner, which is about the owner alone. */
function ownNotification({ id, name, user_id, expires_at }: queries.StoredKey, days: number) {
  return {
    id: newId(),
    user_id,
    org_id: null,
    kind: "key_expiring",
    key: `api_key:${id}:${expires_at}:${days}`,
    type: "api_key.expiring",
    data: {
      organization_id: null,
      subject: { type: "api_key", id, name },
      actor: null,
      api_key: { expires_at, is_own: true },
    },
    happened_at: new Date().toISOString(),
  } as const;
}
