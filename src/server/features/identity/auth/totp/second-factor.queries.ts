import { and, eq, gt, isNotNull, isNull, lt, sql } from "drizzle-orm";
import type { Queryable } from "../../../../db/connection/connect.js";
import {
  accounts,
  recoveryCodes,
  sessions,
  totpSecrets,
  usedChallenges,
  users,
} from "../../../../db/tables/identity-tables.js";

/** Claims a challenge. Returns false if it was already answered. */
export async function claimChallenge(
  tx: Queryable,
  challenge: { id: string; expiresAt: string },
): Promise<boolean> {
  const claimed = await tx
    .insert(usedChallenges)
    .values({ id: challenge.id, expires_at: challenge.expiresAt })
    .onConflictDoNothing()
    .returning({ id: usedChallenges.id });
  return claimed.length === 1;
}

/** Deletes expired challenges. */
export async function deleteExpiredChallenges(tx: Queryable): Promise<void> {
  await tx.delete(usedChallenges).where(lt(usedChallenges.expires_at, sql`now()`));
}

/** Whether a session began within the last ten minutes. */
export async function isFreshSession(tx: Queryable, sessionId: string): Promise<boolean> {
  const rows = await tx
    .select({ id: sessions.id })
    .from(sessions)
    .where(
      and(eq(sessions.id, sessionId), gt(sessions.created_at, sql`now() - interval '10 minutes'`)),
    );
  return rows.length === 1;
}

/** Reads a user's password hash; in a transaction, locks it until the end. */
export async function findPasswordHash(tx: Queryable, userId: string): Promise<string | null> {
  const [row] = await tx
    .select({ password_hash: accounts.password_hash })
    .from(accounts)
    .where(and(eq(accounts.user_id, userId), eq(accounts.provider_id, "password")))
    .for("share");
  return row?.password_hash ?? null;
}

export async function findEmail(tx: Queryable, userId: string): Promise<string | null> {
  const [row] = await tx.select({ email: users.email }).from(users).where(eq(users.id, userId));
  return row?.email ?? null;
}

/** Reads the state of a user's second factor, for the user. */
export async function readSecondFactor(tx: Queryable, userId: string) {
  const { rows } = await tx.execute<{
    totp_since: string | null;
    recovery_codes_left: number;
    has_password: boolean;
  }>(sql`
    select
      (select confirmed_at from totp_secrets where user_id = ${userId}) as totp_since,
      (select count(*)::int from recovery_codes
        where user_id = ${userId} and used_at is null) as recovery_codes_left,
      exists (select from accounts where user_id = ${userId}
        and provider_id = 'password' and password_hash is not null) as has_password`);
  return rows[0];
}

/**
 * Stores a new secret until it is confirmed, replacing an unconfirmed one. Returns false if a confirmed
 * one exists.
 */
export async function putUnconfirmedTotp(
  tx: Queryable,
  userId: string,
  sealedSecret: Buffer,
): Promise<boolean> {
  const put = await tx
    .insert(totpSecrets)
    .values({ user_id: userId, sealed_secret: sealedSecret })
    .onConflictDoUpdate({
      target: totpSecrets.user_id,
      set: { sealed_secret: sealedSecret, last_step: 0, created_at: sql`now()` },
      setWhere: isNull(totpSecrets.confirmed_at),
    })
    .returning({ user_id: totpSecrets.user_id });
  return put.length === 1;
}

export async function findTotp(
  tx: Queryable,
  userId: string,
): Promise<{ sealed_secret: Buffer; confirmed: boolean } | null> {
  const [row] = await tx
    .select({
      sealed_secret: totpSecrets.sealed_secret,
      confirmed: sql<boolean>`${totpSecrets.confirmed_at} is not null`,
    })
    .from(totpSecrets)
    .where(eq(totpSecrets.user_id, userId));
  return row ?? null;
}

/** Confirms a secret by its first code. Returns false if it was replaced meanwhile. */
export async function confirmTotp(
  tx: Queryable,
  userId: string,
  sealedSecret: Buffer,
  step: number,
): Promise<boolean> {
  const confirmed = await tx
    .update(totpSecrets)
    .set({ confirmed_at: sql`now()`, last_step: step })
    .where(
      and(
        eq(totpSecrets.user_id, userId),
        eq(totpSecrets.sealed_secret, sealedSecret),
        isNull(totpSecrets.confirmed_at),
      ),
    )
    .returning({ user_id: totpSecrets.user_id });
  return confirmed.length === 1;
}

/** Claims a time step. Returns false if it or a later one was already used. */
export async function claimStep(tx: Queryable, userId: string, step: number): Promise<boolean> {
  const claimed = await tx
    .update(totpSecrets)
    .set({ last_step: step })
    .where(
      and(
        eq(totpSecrets.user_id, userId),
        isNotNull(totpSecrets.confirmed_at),
        lt(totpSecrets.last_step, step),
      ),
    )
    .returning({ user_id: totpSecrets.user_id });
  return claimed.length === 1;
}

/** Claims a recovery code. Returns false if it does not exist or was already used. */
export async function claimRecoveryCode(
  tx: Queryable,
  userId: string,
  codeHash: Buffer,
): Promise<boolean> {
  const claimed = await tx
    .update(recoveryCodes)
    .set({ used_at: sql`now()` })
    .where(
      and(
        eq(recoveryCodes.user_id, userId),
        eq(recoveryCodes.code_hash, codeHash),
        isNull(recoveryCodes.used_at),
      ),
    )
    .returning({ user_id: recoveryCodes.user_id });
  return claimed.length === 1;
}

/** Replaces all recovery codes. Returns false if the second factor is off. */
export async function replaceRecoveryCodes(
  tx: Queryable,
  userId: string,
  codeHashes: readonly Buffer[],
): Promise<boolean> {
  // Serializes concurrent renewals, which would otherwise leave both sets of codes.
  const [on] = await tx
    .select({ user_id: totpSecrets.user_id })
    .from(totpSecrets)
    .where(and(eq(totpSecrets.user_id, userId), isNotNull(totpSecrets.confirmed_at)))
    .for("update");
  if (!on) return false;
  await tx.delete(recoveryCodes).where(eq(recoveryCodes.user_id, userId));
  await tx
    .insert(recoveryCodes)
    .values(codeHashes.map((code_hash) => ({ user_id: userId, code_hash })));
  return true;
}

export async function deleteTotp(tx: Queryable, userId: string): Promise<void> {
  await tx.delete(totpSecrets).where(eq(totpSecrets.user_id, userId));
  await tx.delete(recoveryCodes).where(eq(recoveryCodes.user_id, userId));
}
