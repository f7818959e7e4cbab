import { createHmac, randomBytes } from "node:crypto";
import { and, eq, gt, lt, sql } from "drizzle-orm";
import type { Queryable } from "../../../../db/connection/connect.js";
import { emailTokens, personEmail, users } from "../../../../db/tables/identity-tables.js";
import { AppError } from "../../../../errors.js";

/** The purpose of an emailed link. */
export type Purpose = "verify" | "reset";

const lifetimes: Record<Purpose, string> = { verify: "24 hours", reset: "1 hour" };

function hashToken(secret: string, purpose: Purpose, token: string): Buffer {
  return createHmac("sha256", secret).update(`omoi e-mail ${purpose}\n`).update(token).digest();
}

/**
 * Issues a token for a user and returns it with its expiry. Earlier tokens of the same purpose become
 * invalid.
 */
export async function issueToken(
  tx: Queryable,
  secret: string,
  purpose: Purpose,
  user: { id: string; email: string },
): Promise<{ token: string; expires_at: string }> {
  const token = randomBytes(32).toString("base64url");
  const values = {
    token_hash: hashToken(secret, purpose, token),
    email: user.email,
    created_at: sql`now()`,
    expires_at: sql`now() + ${lifetimes[purpose]}::interval`,
  };
  const [issued] = await tx
    .insert(emailTokens)
    .values({ user_id: user.id, purpose, ...values })
    .onConflictDoUpdate({ target: [emailTokens.user_id, emailTokens.purpose], set: values })
    .returning({ expires_at: emailTokens.expires_at });
  if (!issued) throw new Error("the token was not inserted");
  return { token, ...issued };
}

/** Returns the user of a valid token that was sent to the user's current address. */
export async function findToken(
  tx: Queryable,
  secret: string,
  purpose: Purpose,
  token: string,
): Promise<{ user_id: string; email: string } | undefined> {
  const [found] = await tx
    .select({ user_id: users.id, email: personEmail })
    .from(emailTokens)
    .innerJoin(users, and(eq(users.id, emailTokens.user_id), eq(users.email, emailTokens.email)))
    .where(
      and(
        eq(emailTokens.token_hash, hashToken(secret, purpose, token)),
        eq(emailTokens.purpose, purpose),
        gt(emailTokens.expires_at, sql`now()`),
        eq(users.is_active, true),
      ),
    );
  return found;
}

/** Uses up a token. Concurrent uses get undefined, except for one. */
export async function useToken(
  tx: Queryable,
  secret: string,
  purpose: Purpose,
  token: string,
): Promise<{ user_id: string; email: string } | undefined> {
  const found = await findToken(tx, secret, purpose, token);
  if (!found) return undefined;
  const used = await tx
    .delete(emailTokens)
    .where(eq(emailTokens.token_hash, hashToken(secret, purpose, token)))
    .returning({ user_id: emailTokens.user_id });
  return used.length === 1 ? found : undefined;
}

/** Deletes a user's tokens, all or those of one purpose. */
export async function deleteTokens(
  tx: Queryable,
  userId: string,
  purpose?: Purpose,
): Promise<void> {
  await tx
    .delete(emailTokens)
    .where(
      and(
        eq(emailTokens.user_id, userId),
        purpose === undefined ? undefined : eq(emailTokens.purpose, purpose),
      ),
    );
}

export async function deleteExpiredTokens(tx: Queryable): Promise<void> {
  await tx.delete(emailTokens).where(lt(emailTokens.expires_at, sql`now()`));
}

/** Finds the user an email link may be sent to. */
export async function findAddressee(
  tx: Queryable,
  email: string,
): Promise<{ id: string; email: string; is_verified: boolean } | undefined> {
  const [user] = await tx
    .select({
      id: users.id,
      email: personEmail,
      is_verified: users.is_verified,
    })
    .from(users)
    .where(and(eq(users.email, email), eq(users.is_active, true)));
  return user;
}

/** The error for a used, expired, replaced or invalid link, without the distinction. */
export function invalidLink(): AppError {
  return new AppError(
    "invalid_link",
    "The link was already used, has expired, or was replaced by a newer one; request a new link.",
  );
}
