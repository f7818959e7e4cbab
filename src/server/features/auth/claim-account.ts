import { eq, sql } from "drizzle-orm";
import type { Change, Origin } from "../../db/audit/audit.js";
import type { Queryable } from "../../db/connection/connect.js";
import { users } from "../../db/tables/identity-tables.js";
import { revokeKeysOf } from "../api-keys/index.js";
import { lockPerson } from "./person-lock.js";
import { removeSignInMethods } from "./remove-credentials.js";

/*
 * Anybody can register any address. Until the owner of the address has taken the account over, all that
 * opens it may belong to another person.
 */

/**
 * Marks the address of an account as verified by its owner, who came by a link in a mail. An account
 * that its owner had not taken over before loses every session, API key, passkey, identity and second
 * factor, unless the proof came from the account's own session.
 * @param proof `session`: by a link opened in a session of the account; `password`: by a link that sets
 *   a new password; `link`: by a link alone, after which the password is still nobody's proof
 * @returns whether everything was revoked
 */
export async function claimAccount(
  tx: Queryable,
  audit: (orgId: string, change: Change) => void,
  userId: string,
  proof: "session" | "password" | "link",
): Promise<boolean> {
  const before = await lockPerson(tx, userId);
  const isUnclaimed = proof === "link" ? !before.is_verified : !isClaimed(before);
  const revokes = isUnclaimed && proof !== "session";
  if (revokes) {
    await removeSignInMethods(tx, userId);
    await revokeKeysOf(tx, audit, userId);
  }
  await tx
    .update(users)
    .set({
      is_verified: true,
      password_unproven: proof === "link" && (isUnclaimed || before.password_unproven),
      updated_at: sql`now()`,
    })
    .where(eq(users.id, userId));
  return revokes;
}

/** Whether the owner of the address is known to be the person who holds the account. */
export function isClaimed(account: { is_verified: boolean; password_unproven: boolean }): boolean {
  return account.is_verified && !account.password_unproven;
}

/** A person as the origin of a change that a link in a mail makes. */
export function actingPerson(userId: string): Origin["actor"] {
  return { userId, agent: null, key: null };
}
