import { and, asc, eq, gt, or, sql } from "drizzle-orm";
import { newId } from "../../../../db/tables/columns.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { passkeys, users } from "../../../../db/tables/identity-tables.js";

const passkeyColumns = {
  id: passkeys.id,
  name: passkeys.name,
  backed_up: passkeys.backed_up,
  created_at: passkeys.created_at,
  last_used_at: passkeys.last_used_at,
};

/** Lists a user's passkeys, oldest first, after the given id. */
export async function listPasskeys(
  tx: Queryable,
  userId: string,
  after: string | null,
  limit: number,
) {
  return tx
    .select(passkeyColumns)
    .from(passkeys)
    .where(and(eq(passkeys.user_id, userId), after === null ? undefined : gt(passkeys.id, after)))
    .orderBy(asc(passkeys.id))
    .limit(limit);
}

export async function findPasskey(tx: Queryable, userId: string, passkeyId: string) {
  const [found] = await tx
    .select(passkeyColumns)
    .from(passkeys)
    .where(and(eq(passkeys.id, passkeyId), eq(passkeys.user_id, userId)));
  return found;
}

/** Returns the credential ids that the authenticator must not register again. */
export async function listCredentials(
  tx: Queryable,
  userId: string,
): Promise<{ id: string; transports: string[] }[]> {
  return tx
    .select({ id: passkeys.credential_id, transports: passkeys.transports })
    .from(passkeys)
    .where(eq(passkeys.user_id, userId));
}

export async function insertPasskey(
  tx: Queryable,
  passkey: Omit<typeof passkeys.$inferInsert, "id">,
) {
  const [inserted] = await tx
    .insert(passkeys)
    .values({ id: newId(), ...passkey })
    .returning(passkeyColumns);
  if (!inserted) throw new Error("the passkey was not inserted");
  return inserted;
}

export async function renamePasskey(
  tx: Queryable,
  userId: string,
  passkeyId: string,
  name: string,
) {
  const [renamed] = await tx
    .update(passkeys)
    .set({ name })
    .where(and(eq(passkeys.id, passkeyId), eq(passkeys.user_id, userId)))
    .returning(passkeyColumns);
  return renamed;
}

export async function deletePasskey(
  tx: Queryable,
  userId: string,
  passkeyId: string,
): Promise<boolean> {
  const deleted = await tx
    .delete(passkeys)
    .where(and(eq(passkeys.id, passkeyId), eq(passkeys.user_id, userId)))
    .returning({ id: passkeys.id });
  return deleted.length === 1;
}

export async function deletePasskeys(tx: Queryable, userId: string): Promise<void> {
  await tx.delete(passkeys).where(eq(passkeys.user_id, userId));
}

/** Finds the passkey of a credential id, for an active user. */
export async function findCredential(tx: Queryable, credentialId: string) {
  const [found] = await tx
    .select({
      id: passkeys.id,
      user_id: passkeys.user_id,
      public_key: passkeys.public_key,
      counter: passkeys.counter,
    })
    .from(passkeys)
    .innerJoin(users, and(eq(users.id, passkeys.user_id), eq(users.is_active, true)))
    .where(eq(passkeys.credential_id, credentialId));
  return found;
}

/**
 * Advances a passkey's counter. Returns false if it did not increase, which indicates a cloned
 * authenticator.
 */
export async function countUse(
  tx: Queryable,
  passkeyId: string,
  counter: number,
  backedUp: boolean,
): Promise<boolean> {
  const used = await tx
    .update(passkeys)
    .set({ counter, backed_up: backedUp, last_used_at: sql`now()` })
    .where(
      and(
        eq(passkeys.id, passkeyId),
        or(sql`${passkeys.counter} < ${counter}`, sql`${passkeys.counter} = 0 and ${counter} = 0`),
      ),
    )
    .returning({ id: passkeys.id });
  return used.length === 1;
}
