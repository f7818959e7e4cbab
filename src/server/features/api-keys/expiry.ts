import { systemOrigin } from "../../db/audit/audit.js";
import { keyExpires } from "../../mail/email-templates.js";
import { findKeyContacts, sendToContacts } from "./key-contacts.js";
import type { KeyDeps } from "./key-access.js";
import * as queries from "./api-keys.queries.js";
import { auditKey } from "./present-key.js";

const batch = 50;

/** Warns owners of keys that expire within a week, once per key, by email and in the audit log. */
export async function sendExpiryWarnings(deps: Omit<KeyDeps, "keyring">): Promise<void> {
  for (;;) {
    const ending = await deps.db.systemChange(systemOrigin, async (tx, audit) => {
      const taken = await queries.claimExpiringKeys(tx, batch);
      const warned = [];
      for (const key of taken) {
        await auditKey(tx, audit, { action: "api_key.expiring", key, before: key, after: key });
        warned.push({ key, contacts: await findKeyContacts(tx, deps, key) });
      }
      return warned;
    });
    for (const { key, contacts } of ending) {
      const expiresAt = new Date(key.expires_at as string);
      const letter = keyExpires({
        name: key.name,
        hint: key.key_hint,
        expiresAt,
        link: contacts.link,
      });
      await sendToContacts(deps.mailer, contacts, letter);
    }
    if (ending.length < batch) return;
  }
}
