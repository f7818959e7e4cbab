import { leakedKeyRevoked } from "../../../mail/email-templates.js";
import type { PublicContext } from "../../../http/register-routes.js";
import { callerNetwork } from "#shared/node/networks.js";
import { limitHits } from "../../../access/rate-limit.js";
import { isWellFormed } from "#shared/node/key-text.js";
import { hashKey } from "../keyring/key.js";
import type { KeyDeps } from "../key-access.js";
import * as queries from "../api-keys.queries.js";
import { auditKey } from "../present-key.js";

/** Leaks are found many at once, by scanners; nobody guesses keys this way. */
const reportLimit = { hits: 300, seconds: 60 * 60 };

/**
 * Kills a key that was found somewhere. Whether there was one is not told: who holds a key knows it.
 * Returns when every server process has heard.
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
    auditKey(audit, { action: "api_key.leaked", key, before: key, after: null });
    return { key, email: await queries.addressOf(tx, key.user_id) };
  });
  if (!found) return;
  // Not for every report, as an endpoint that revokes would: only a report that revokes is waited for.
  await db.changes.syncAll();
  if (found.email === undefined) return;
  const { name, key_hint } = found.key;
  const letter = leakedKeyRevoked({ name, hint: key_hint, link: linkTo(deps, found.key.id) });
  await mailer.send({ to: found.email, ...letter });
}

export function linkTo({ publicUrl }: Pick<KeyDeps, "publicUrl">, keyId: string): string {
  return `${publicUrl()}/settings/api-keys/${keyId}`;
}
