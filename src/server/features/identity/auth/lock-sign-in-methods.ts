import { and, count, eq, isNotNull, or } from "drizzle-orm";
import type { Queryable } from "../../../db/connection/connect.js";
import { accounts, passkeys, users } from "../../../db/tables/identity-tables.js";

/**
 * Counts a user's sign-in methods. Locks the user's row until the transaction ends, so that the last
 * two cannot be removed concurrently.
 * @param issuer the configured identity provider; identities of others do not count
 */
export async function lockSignInMethods(
  tx: Queryable,
  userId: string,
  issuer: string | null,
): Promise<number> {
  await tx.select({ id: users.id }).from(users).where(eq(users.id, userId)).for("update");
  const isPassword = and(eq(accounts.provider_id, "password"), isNotNull(accounts.password_hash));
  const [proofs] = await tx
    .select({ count: count() })
    .from(accounts)
    .where(
      and(
        eq(accounts.user_id, userId),
        issuer === null ? isPassword : or(isPassword, eq(accounts.provider_id, issuer)),
      ),
    );
  const [keys] = await tx
    .select({ count: count() })
    .from(passkeys)
    .where(eq(passkeys.user_id, userId));
  return (proofs?.count ?? 0) + (keys?.count ?? 0);
}
