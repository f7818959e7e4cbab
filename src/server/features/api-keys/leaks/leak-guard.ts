import type { Origin } from "../../../db/audit/audit.js";
import type { FoundToken } from "#git/smart-http/token-scan.js";
import { countHit } from "../../../access/rate-limit.queries.js";
import { keyAlmostCommitted } from "../../../mail/email-templates.js";
import { hashKey } from "../keyring/key.js";
import { linkTo } from "./leaked-key.js";
import type { KeyDeps } from "../key-access.js";
import * as queries from "../api-keys.queries.js";
import { auditKey } from "../present-key.js";

/** Keeps keys of this installation that work out of its repositories. */
export interface LeakGuard {
  /** What each key begins with. */
  readonly keyPrefix: string;
  /** Returns the first of the keys that works, or null. Its owner is told, at most once a day. */
  firstLive(found: readonly FoundToken[], where: LeakPlace): Promise<FoundToken | null>;
}

/** Where a key was about to be committed, and by whom. */
export interface LeakPlace {
  origin: Origin;
  /** A branch, as people call it. */
  branch: string;
}

/** Seconds. */
const toldEvery = 24 * 60 * 60;
/** Keys that one query looks for. */
const atOnce = 500;

export function createLeakGuard(deps: KeyDeps): LeakGuard {
  const { db, settings } = deps;
  return {
    keyPrefix: settings.keyPrefix,
    firstLive: async (found, where) => {
      for (let from = 0; from < found.length; from += atOnce) {
        const some = found.slice(from, from + atOnce);
        const hashes = some.map(({ text }) => hashKey(settings.secret, text));
        const keys = await db.withSystem("look for a leaked key", (tx) =>
          queries.findKeysByHashes(tx, hashes),
        );
        for (const [index, token] of some.entries()) {
          const key = keys.get(hashes[index]?.toString("hex") ?? "");
          if (key?.status !== "active") continue;
          await tellOwner(deps, key, token, where);
          return token;
        }
      }
      return null;
    },
  };
}

async function tellOwner(
  deps: KeyDeps,
  key: queries.StoredKey,
  { path, line }: FoundToken,
  { origin, branch }: LeakPlace,
): Promise<void> {
  const { db, mailer } = deps;
  // In the same transaction, so that whoever counts tells.
  const email = await db.systemChange(origin, async (tx, audit) => {
    const { hits } = await countHit(tx, `exposed key ${key.id}`, toldEvery);
    if (hits > 1) return undefined;
    auditKey(audit, { action: "api_key.exposed", key, before: key, after: key });
    return queries.addressOf(tx, key.user_id);
  });
  if (email === undefined) return;
  const { name, key_hint: hint } = key;
  const letter = keyAlmostCommitted({ name, hint, path, line, branch, link: linkTo(deps, key.id) });
  await mailer.send({ to: email, ...letter });
}
