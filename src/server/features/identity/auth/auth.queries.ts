import { and, eq, type SQL, sql } from "drizzle-orm";
import type { User } from "#shared/api/identity/auth.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { accounts, isPersonRow, personEmail, users } from "../../../db/tables/identity-tables.js";
import { newId } from "../../../db/tables/columns.js";

const userColumns = {
  id: users.id,
  email: personEmail,
  full_name: users.full_name,
  department: users.department,
  attributes: users.attributes,
  is_active: users.is_active,
  is_verified: users.is_verified,
  is_super_admin: users.is_super_admin,
  created_at: users.created_at,
  last_login_at: users.last_login_at,
};

/**
 * Inserts a user. The first user of the installation becomes its super admin. With `onlyFirst`, returns
 * null if a user exists.
 */
export async function insertUser(
  tx: Queryable,
  input: { email: string; full_name: string | null; is_verified?: boolean },
  onlyFirst: boolean,
): Promise<User | null> {
  // Two concurrent first registrations must not both find an empty table.
  await tx.execute(sql`select pg_advisory_xact_lock(hashtext('omoi first user'))`);
  if (onlyFirst && (await tx.select({ id: users.id }).from(users).limit(1)).length > 0) return null;
  const [user] = await tx
    .insert(users)
    .values({ id: newId(), ...input, is_super_admin: sql<boolean>`not exists (select from users)` })
    .returning(userColumns);
  if (!user) throw new Error("the user was not inserted");
  return user;
}

export async function findUser(tx: Queryable, userId: string): Promise<User | undefined> {
  const [user] = await tx
    .select(userColumns)
    .from(users)
    .where(and(eq(users.id, userId), isPersonRow));
  return user;
}

export async function updateUser(
  tx: Queryable,
  userId: string,
  changes: Partial<Pick<User, "full_name" | "department" | "attributes">>,
): Promise<User | undefined> {
  const [user] = await tx
    .update(users)
    .set({ ...changes, updated_at: sql`now()` })
    .where(and(eq(users.id, userId), isPersonRow))
    .returning(userColumns);
  return user;
}

/** Finds the password hash of an active user by the address. */
export async function findPassword(tx: Queryable, email: string) {
  return selectPassword(tx, and(eq(users.email, email), eq(users.is_active, true)));
}

/** Finds a user's address and password hash. */
export async function findOwnPassword(tx: Queryable, userId: string) {
  return selectPassword(tx, eq(users.id, userId));
}

async function selectPassword(
  tx: Queryable,
  condition: SQL | undefined,
): Promise<{ user_id: string; email: string; password_hash: string } | undefined> {
  const [row] = await tx
    .select({ user_id: users.id, email: personEmail, password_hash: accounts.password_hash })
    .from(users)
    .innerJoin(accounts, and(eq(accounts.user_id, users.id), eq(accounts.provider_id, "password")))
    .where(and(condition, isPersonRow));
  return row?.password_hash ? { ...row, password_hash: row.password_hash } : undefined;
}

/** Sets a user's password, also the first one. */
export async function setPassword(
  tx: Queryable,
  userId: string,
  passwordHash: string,
): Promise<void> {
  await tx
    .insert(accounts)
    .values({
      id: newId(),
      user_id: userId,
      provider_id: "password",
      account_id: userId,
      password_hash: passwordHash,
    })
    .onConflictDoUpdate({
      target: [accounts.provider_id, accounts.account_id],
      set: { password_hash: passwordHash, updated_at: sql`now()` },
    });
}

/** Changes a user's password if it is still `current`. Returns whether it did. */
export async function replacePassword(
  tx: Queryable,
  userId: string,
  passwordHash: string,
  current: string,
): Promise<boolean> {
  const changed = await tx
    .update(accounts)
    .set({ password_hash: passwordHash, updated_at: sql`now()` })
    .where(
      and(
        eq(accounts.user_id, userId),
        eq(accounts.provider_id, "password"),
        eq(accounts.password_hash, current),
      ),
    )
    .returning({ id: accounts.id });
  return changed.length === 1;
}

/** Whether a hash is still the user's; locks it until the transaction ends. */
export async function lockPassword(
  tx: Queryable,
  userId: string,
  passwordHash: string,
): Promise<boolean> {
  const rows = await tx
    .select({ id: accounts.id })
    .from(accounts)
    .where(
      and(
        eq(accounts.user_id, userId),
        eq(accounts.provider_id, "password"),
        eq(accounts.password_hash, passwordHash),
      ),
    )
    .for("share");
  return rows.length === 1;
}

/** Whether the id belongs to an active person. */
export async function userExists(tx: Queryable, userId: string): Promise<boolean> {
  const rows = await tx
    .select({ id: users.id })
    .from(users)
    .where(and(eq(users.id, userId), eq(users.is_active, true), isPersonRow));
  return rows.length === 1;
}
