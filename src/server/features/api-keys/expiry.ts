import { systemOrigin } from "../../db/audit/audit.js";
import { keyExpires } from "../../mail/email-templates.js";
import { keyUrl } from "./leaks/leaked-key.js";
import type { KeyDeps } from "./key-access.js";
import * as queries from "./api-keys.queries.js";
import { auditKey } from "./present-key.js";

const batch = 50;

/** Warns owners of keys that expire within a week, once per key, by email and in the audit log. */
export async function sendExpiryWarnings(deps: Omit<KeyDeps, "keyring">): Promise<void> {
  for (;;) {
    const ending = await deps.db.systemChange(systemOrigin, async (tx, audit) => {
      const taken = await queries.claimExpiringKeys(tx, batch);
      for (const { key } of taken) {
        await auditKey(tx, audit, { action: "api_key.expiring", key, before: key, after: key });
      }
      return taken;
    });
    for (const { key, email } of ending) {
      const expiresAt = new Date(key.expires_at as string);
      const letter = keyExpires({
        name: key.name,
        hint: key.key_hint,
        expiresAt,
        link: keyUrl(deps, key.id),
      });
      await deps.mailer.send({ to: email, ...letter });
    }
    if (ending.length < batch) return;
  }
}
