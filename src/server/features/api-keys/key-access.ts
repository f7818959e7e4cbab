import type { Logger } from "pino";
import type { Database } from "../../db/connection/connect.js";
import { notFound } from "../../errors.js";
import type { Actor } from "../../access/authenticate.js";
import { requirePerson } from "../../access/authorize.js";
import type { Mailer } from "../../mail/mailer.js";
import type { Keyring } from "./keyring/keyring.js";
import * as queries from "./api-keys.queries.js";
import { countManaging, scopesWithin } from "./scopes.js";
import { deleteOldUsage } from "./usage/key-usage.queries.js";

export interface KeyDeps {
  db: Database;
  keyring: Keyring;
  mailer: Mailer;
  settings: { secret: string; keyPrefix: string; maxKeyDays: number };
  publicUrl: () => string;
  log: Logger;
}

/** A key that the actor may see: his own, within the scopes of the key he comes with. @throws AppError 403; 404 */
export async function keyAccess(
  db: Database,
  actor: Actor,
  keyId: string,
): Promise<queries.StoredKey> {
  requirePerson(actor);
  countManaging(actor);
  const key = await db.withSystem("find one's own key", (tx) =>
    queries.findKey(tx, actor.userId, keyId),
  );
  if (!key || !scopesWithin(actor, key.scopes)) throw notFound();
  return key;
}

/** Forgets what keys were used for long ago. */
export function forgetOldUsage(db: Database): Promise<void> {
  return db.withSystem("forget old usage of keys", deleteOldUsage);
}
