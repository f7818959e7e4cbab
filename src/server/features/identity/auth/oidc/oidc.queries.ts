import { and, asc, eq, gt, ne, type SQL, sql } from "drizzle-orm";
import { newId } from "../../../../db/tables/columns.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { accounts, users } from "../../../../db/tables/identity-tables.js";

export async function findByIdentity(
  tx: Queryable,
  issuer: string,
  subject: string,
): Promise<{ user_id: string; is_active: boolean } | undefined> {
  const [found] = await tx
    .select({ user_id: users.id, is_active: users.is_active })
    .from(accounts)
    .innerJoin(users, eq(users.id, accounts.user_id))
    .where(and(eq(accounts.provider_id, issuer), eq(accounts.account_id, subject)));
  return found;
}

/** Finds the account of an address, with the conditions for linking an identity to it. */
export async function findByEmail(tx: Queryable, email: string) {
  const [row] = await tx
    .select({
      user_id: users.id,
      is_active: users.is_active,
      is_verified: users.is_verified,
      password_unproven: users.password_unproven,
      has_second_factor: sql<boolean>`exists (
        select from totp_secrets t where t.user_id = users.id and t.confirmed_at is not null)`,
    })
    .from(users)
    .where(eq(users.email, email));
  return row;
}

/** @throws violation of `accounts_provider_key` when the identity is already linked */
export async function insertIdentity(
  tx: Queryable,
  userId: string,
  issuer: string,
  subject: string,
): Promise<void> {
  await tx
    .insert(accounts)
    .values({ id: newId(), user_id: userId, provider_id: issuer, account_id: subject });
}

/** Matches the identities of a user, and not the password. */
const isIdentityOf = (userId: string) =>
  and(eq(accounts.user_id, userId), ne(accounts.provider_id, "password"));

function selectIdentities(tx: Queryable, userId: string, which: SQL | undefined) {
  return tx
    .select({ id: accounts.id, issuer: accounts.provider_id, created_at: accounts.created_at })
    .from(accounts)
    .where(and(isIdentityOf(userId), which));
}

/** Finds an identity the user can sign in with. */
export async function findIdentity(tx: Queryable, userId: string, identityId: string) {
  const [found] = await selectIdentities(tx, userId, eq(accounts.id, identityId));
  return found;
}

/** Lists the identities a user can sign in with, oldest first, after the given id. */
export async function listIdentities(
  tx: Queryable,
  userId: string,
  after: string | null,
  limit: number,
) {
  return selectIdentities(tx, userId, after === null ? undefined : gt(accounts.id, after))
    .orderBy(asc(accounts.id))
    .limit(limit);
}

/** Deletes an identity. Returns its issuer, or null if the user has none with that id. */
export async function deleteIdentity(
  tx: Queryable,
  userId: string,
  identityId: string,
): Promise<string | null> {
  const [deleted] = await tx
    .delete(accounts)
    .where(and(eq(accounts.id, identityId), isIdentityOf(userId)))
    .returning({ issuer: accounts.provider_id });
  return deleted?.issuer ?? null;
}

/** Deletes all identities of a user. */
export async function deleteIdentities(tx: Queryable, userId: string): Promise<void> {
  await tx.delete(accounts).where(isIdentityOf(userId));
}

/** Whether an identity belongs to the user; locks it until the transaction ends. */
export async function lockIdentity(
  tx: Queryable,
  userId: string,
  issuer: string,
  subject: string,
): Promise<boolean> {
  const rows = await tx
    .select({ id: accounts.id })
    .from(accounts)
    .where(
      and(
        eq(accounts.user_id, userId),
        eq(accounts.provider_id, issuer),
        eq(accounts.account_id, subject),
      ),
    )
    .for("share");
  return rows.length === 1;
}
