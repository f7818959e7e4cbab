import { eq, sql } from "drizzle-orm";
import type { Change, Origin } from "../../../db/audit/audit.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { users } from "../../../db/tables/identity-tables.js";
import { revokeKeysOf } from "../api-keys/index.js";
import { removeNotificationSettings } from "../../work/notifications/index.js";
import { lockUser } from "../../../access/person-lock.js";
import { removeSignInMethods } from "./remove-credentials.js";

/*
 * Any address can be registered by anyone. Until the address's owner claims the account, its
 * credentials may belong to another person.
 */

/**
 * Marks an account's address as verified by its owner, who opened an emailed link. If the account was
 * not claimed before, every session, API key, passkey, identity, second factor and the webhook for
 * notifications is removed, unless the proof came from the account's own session, or the owner of the
 * address says that the account is theirs. An owner who answers so by mistake does not know the
 * password: setting a new one still removes all.
 * @param proof `session`: the link was opened in a session of the account; `password`: the link sets a
 * new password; `link`: the link alone, which does not prove the password; `answer`: the link, with the
 * answer that its owner made the account
 * @returns whether credentials were removed
 */
export async function claimAccount(
  tx: Queryable,
  audit: (orgId: string, change: Change) => void,
  userId: string,
  proof: "session" | "password" | "link" | "answer",
): Promise<boolean> {
  const before = await lockUser(tx, userId);
  const isByLink = proof === "link" || proof === "answer";
  const isUnclaimed = isByLink ? !before.is_verified : !isClaimed(before);
  const revokes = isUnclaimed && (proof === "link" || proof === "password");
  if (revokes) {
    await removeSignInMethods(tx, userId);
    await revokeKeysOf(tx, audit, userId);
    // The webhook would send the owner's notifications to the other person.
    await removeNotificationSettings(tx, userId);
  }
  await tx
    .update(users)
    .set({
      is_verified: true,
      password_unproven: isByLink && (isUnclaimed || before.password_unproven),
      updated_at: sql`now()`,
    })
    .where(eq(users.id, userId));
  return revokes;
}

/** Whether the account is known to be held by the owner of its address. */
export function isClaimed(account: { is_verified: boolean; password_unproven: boolean }): boolean {
  return account.is_verified && !account.password_unproven;
}

/** Returns a user as the actor of a change made by an emailed link. */
export function userActor(userId: string): Origin["actor"] {
  return { userId, agent: null, key: null };
}
