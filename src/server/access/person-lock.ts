import { sql } from "drizzle-orm";
import type { Queryable } from "../db/connection/connect.js";
import { invalidToken, type Actor } from "./authenticate.js";

/*
 * The user's row is the first lock of every transaction that adds or ends a credential, so a credential
 * that is being revoked cannot add another one.
 */

/**
 * Locks a user's row until the transaction ends.
 * @throws AppError 401 when the user no longer exists
 */
export async function lockUser(
  tx: Queryable,
  userId: string,
): Promise<{ is_verified: boolean; password_unproven: boolean }> {
  const { rows } = await tx.execute<{ is_verified: boolean; password_unproven: boolean }>(sql`
    select is_verified, password_unproven from users where id = ${userId} for no key update`);
  if (!rows[0]) throw invalidToken();
  return rows[0];
}

/**
 * Prevents the actor's credential from being revoked until the transaction ends.
 * @throws AppError 401 when it was already revoked
 */
export async function requireLiveCredential(
  tx: Queryable,
  { userId, session, key }: Pick<Actor, "userId" | "session" | "key">,
): Promise<void> {
  // Two statements: the second one sees the commits made while the first one waited.
  await tx.execute(sql`select from users where id = ${userId} for share`);
  const { rows } = await tx.execute(sql`
    select from users u where u.id = ${userId} and u.is_active and (
      exists (select from sessions s where s.id = ${session?.id ?? null}::uuid
        and s.revoked_at is null and s.expires_at > now())
      or exists (select from api_keys k where k.id = ${key?.id ?? null}::uuid
        and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())))`);
  if (rows.length === 0) throw invalidToken();
}
