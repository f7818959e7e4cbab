import { leakedKeyRevoked } from "../../../../mail/email-templates.js";
import type { PublicContext } from "../../../../http/requests/request-context.js";
import { callerNetwork } from "#shared/node/networks.js";
import { limitHits } from "../../../../access/rate-limit.js";
import { isWellFormed } from "#shared/node/key-text.js";
import { hashKey } from "../keyring/key.js";
import type { KeyDeps } from "../key-access.js";
import { findKeyContacts, sendToContacts } from "../key-contacts.js";
import * as queries from "../api-keys.queries.js";
import { auditKey } from "../present-key.js";

/** Generous, because scanners find many leaks at once and keys cannot be guessed. */
const reportLimit = { hits: 300, seconds: 60 * 60 };

/**
 * Revokes a leaked key. The response does not reveal whether the key existed. Returns after every
 * server process has received the revocation.
 * @throws AppError 429
 */
export async function revokeLeaked(
  deps: KeyDeps,
  { ip, requestId }: Pick<PublicContext, "ip" | "requestId">,
  text: string,
): Promise<void> {
  const { db, settings, mailer } = deps;
  await limitHits(db, `leaked keys ${callerNetwork(ip)}`, reportLimit);
  if (!isWellFormed(settings.keyPrefix, text)) return;
  const hash = hashKey(settings.secret, text);
  const found = await db.systemChange({ actor: null, ip, requestId }, async (tx, audit) => {
    const known = await queries.findKeyByHash(tx, hash);
    const key = known && (await queries.revokeKey(tx, known.id));
    if (!key) return undefined;
    await auditKey(tx, audit, { action: "api_key.leaked", key, before: key, after: null });
    return { key, contacts: await findKeyContacts(tx, deps, key) };
  });
  if (!found) return;
  // Only a report that revokes waits for the other processes.
  await db.changes.syncAll();
  const { name, key_hint } = found.key;
  const letter = leakedKeyRevoked({ name, hint: key_hint, link: found.contacts.link });
  await sendToContacts(mailer, found.contacts, letter);
}
