import type { Origin } from "../../../../db/audit/audit.js";
import type { FoundToken } from "#git/objects/token-scan.js";
import { countHit } from "../../../../access/rate-limit.queries.js";
import { keyAlmostCommitted } from "../../../../mail/email-templates.js";
import { hashKey } from "../keyring/key.js";
import type { KeyDeps } from "../key-access.js";
import { findKeyContacts, sendToContacts } from "../key-contacts.js";
import * as queries from "../api-keys.queries.js";
import { auditKey } from "../present-key.js";

/** Keeps active keys of this installation out of its repositories. */
export interface LeakGuard {
  /** The prefix of all keys. */
  readonly keyPrefix: string;
  /**
   * Returns the first active key among the found tokens, or null, and notifies its owner at most once a
   * day.
   */
  findActive(found: readonly FoundToken[], where: LeakLocation): Promise<FoundToken | null>;
}

/** The place of a commit that contained a key, and its author. */
export interface LeakLocation {
  origin: Origin;
  /** The short branch name. */
  branch: string;
}

/** Minimum seconds between notifications about one key. */
const NOTIFY_INTERVAL_SECONDS = 24 * 60 * 60;
/** Keys per query. */
const BATCH_SIZE = 500;

export function createLeakGuard(deps: KeyDeps): LeakGuard {
  const { db, settings } = deps;
  return {
    keyPrefix: settings.keyPrefix,
    findActive: async (found, where) => {
      for (let from = 0; from < found.length; from += BATCH_SIZE) {
        const some = found.slice(from, from + BATCH_SIZE);
        const hashes = some.map(({ text }) => hashKey(settings.secret, text));
        const keys = await db.withSystem("look for a leaked key", (tx) =>
          queries.findKeysByHashes(tx, hashes),
        );
        for (const [index, token] of some.entries()) {
          const key = keys.get(hashes[index]?.toString("hex") ?? "");
          if (key?.status !== "active") continue;
          await notifyOwner(deps, key, token, where);
          return token;
        }
      }
      return null;
    },
  };
}

async function notifyOwner(
  deps: KeyDeps,
  key: queries.StoredKey,
  { path, line }: FoundToken,
  { origin, branch }: LeakLocation,
): Promise<void> {
  const { db, mailer } = deps;
  // In the transaction that counts the hit, so that exactly one process notifies.
  const contacts = await db.systemChange(origin, async (tx, audit) => {
    const { hits } = await countHit(tx, `exposed key ${key.id}`, NOTIFY_INTERVAL_SECONDS);
    if (hits > 1) return undefined;
    await auditKey(tx, audit, { action: "api_key.exposed", key, before: key, after: key });
    return findKeyContacts(tx, deps, key);
  });
  if (contacts === undefined) return;
  const { name, key_hint: hint } = key;
  const letter = keyAlmostCommitted({ name, hint, path, line, branch, link: contacts.link });
  await sendToContacts(mailer, contacts, letter);
}
