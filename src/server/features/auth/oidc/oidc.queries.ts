import { and, asc, eq, gt, ne, type SQL, sql } from "drizzle-orm";
import { newId } from "../../../db/tables/columns.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { accounts, users } from "../../../db/tables/identity-tables.js";

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

/** The account behind an address, and what stands in the way of linking an identity to it. */
export async function findByEmail(tx: Queryable, email: string) {
  const { rows } = await tx.execute<{
    user_id: string;
    is_active: boolean;
    is_verified: boolean;
    password_unproven: boolean;
    has_second_factor: boolean;
  }>(sql`
    select id as user_id, is_active, is_verified, password_unproven,
      exists (select from totp_secrets where user_id = users.id and confirmed_at is not null)
        as has_second_factor
    from users where email = ${email}`);
  return rows[0];
}

/** @throws a broken `accounts_provider_key` where the identity is linked already */
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

/**
 * Adds a person whose address the provider has verified; the first of the installation is its super
 * admin. With `onlyFirst` nobody else is added, and the answer is null.
 */
export async function insertVerifiedUser(
  tx: Queryable,
  input: { email: string; full_name: string | null },
  onlyFirst: boolean,
): Promise<string | null> {
  // The lock of registrations by password: two first people at once must not both find an empty table.
  await tx.execute(sql`select pg_advisory_xact_lock(hashtext('omoi first user'))`);
  if (onlyFirst && (await tx.select({ id: users.id }).from(users).limit(1)).length > 0) return null;
  const id = newId();
  await tx.insert(users).values({
    id,
    ...input,
    is_verified: true,
    is_super_admin: sql<boolean>`not exists (select from users)`,
  });
  return id;
}

function selectIdentities(tx: Queryable, userId: string, which: SQL | undefined) {
  return tx
    .select({ id: accounts.id, issuer: accounts.provider_id, created_at: accounts.created_at })
    .from(accounts)
    .where(and(eq(accounts.user_id, userId), ne(accounts.provider_id, "password"), which));
}

/** An identity that a person can sign in by. */
export async function findIdentity(tx: Queryable, userId: string, identityId: string) {
  const [found] = await selectIdentities(tx, userId, eq(accounts.id, identityId));
  return found;
}

/** The identities that a person can sign in by, the oldest first, after the id of one. */
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

/** Takes an identity away; gives its issuer, or null where the person has none of that id. */
export async function deleteIdentity(
  tx: Queryable,
  userId: string,
  identityId: string,
): Promise<string | null> {
  const [deleted] = await tx
    .delete(accounts)
    .where(
      and(
        eq(accounts.id, identityId),
        eq(accounts.user_id, userId),
        ne(accounts.provider_id, "password"),
      ),
    )
    .returning({ issuer: accounts.provider_id });
  return deleted?.issuer ?? null;
}

/** Takes all of a person's identities away. */
export async function deleteIdentities(tx: Queryable, userId: string): Promise<void> {
  await tx
    .delete(accounts)
    .where(and(eq(accounts.user_id, userId), ne(accounts.provider_id, "password")));
}

/** Whether an identity is a person's; until the transaction ends, nobody takes it away. */
export async function holdIdentity(
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
