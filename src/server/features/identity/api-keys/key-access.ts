import type { Logger } from "pino";
import type { Database } from "../../../db/connection/connect.js";
import { notFound } from "../../../errors.js";
import type { Actor } from "../../../access/authenticate.js";
import { requirePerson } from "../../../access/authorize.js";
import type { Mailer } from "../../../mail/mailer.js";
import type { Keyring } from "./keyring/keyring.js";
import * as queries from "./api-keys.queries.js";
import { recordFullAccessUse, scopesWithin } from "./scopes.js";
import { deleteOldUsage } from "./usage/key-usage.queries.js";

export interface KeyDeps {
  db: Database;
  keyring: Keyring;
  mailer: Mailer;
  settings: { secret: string; keyPrefix: string; maxKeyDays: number };
  publicUrl: () => string;
  log: Logger;
}

/**
 * Returns a key of the actor, within the scopes of the actor's own key.
 * @throws AppError 403; 404
 */
export async function keyAccess(
  db: Database,
  actor: Actor,
  keyId: string,
): Promise<queries.StoredKey> {
  requirePerson(actor);
  recordFullAccessUse(actor);
  const key = await db.withSystem("find one of the user's keys", (tx) =>
    queries.findKey(tx, actor.userId, keyId),
  );
  if (!key || !scopesWithin(actor, key.scopes)) throw notFound();
  return key;
}

/** Deletes usage records past their retention. */
export function deleteExpiredUsage(db: Database): Promise<void> {
  return db.withSystem("delete expired key usage", deleteOldUsage);
}
