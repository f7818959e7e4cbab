import { verify } from "@node-rs/argon2";
import type { Database } from "../../../db/connection/connect.js";
import { AppError, invalidField } from "../../../errors.js";
import { isPerson, type Actor } from "../../../access/authenticate.js";
import { limitFailures } from "../../../access/rate-limit.js";
import * as queries from "./totp/second-factor.queries.js";

const passwordLimit = { hits: 10, seconds: 15 * 60 };

/**
 * Returns the session of an actor. Sign-in methods are managed by the user, not by programs with an API
 * key.
 * @throws AppError 403 `session_required`
 */
export function requireSession(actor: Actor): string {
  if (isPerson(actor) && actor.session) return actor.session.id;
  throw new AppError(
    "session_required",
    "Sign-in methods can only be changed in a session, not with an API key; sign in first.",
  );
}

/**
 * Confirms the user's identity before a sensitive change: by the password, or by a sign-in within the
 * last ten minutes.
 * @throws AppError 403 `reauthentication_required`; 422 for a wrong password
 */
export async function reauthenticate(
  db: Database,
  actor: Actor,
  password: string | undefined,
): Promise<void> {
  const sessionId = requireSession(actor);
  if (password !== undefined) return requirePassword(db, actor.userId, password);
  const isFresh = await db.withSystem("read the time of the sign-in", (tx) =>
    queries.isFreshSession(tx, sessionId),
  );
  if (isFresh) return;
  throw new AppError(
    "reauthentication_required",
    "You signed in more than ten minutes ago; enter your password, or sign out and in again.",
  );
}

/** @throws AppError 422 when the password is wrong; 429 */
export async function requirePassword(
  db: Database,
  userId: string,
  password: string,
): Promise<void> {
  await limitFailures(db, `password ${userId}`, passwordLimit, async () => {
    const hash = await db.withSystem("read the user's password", (tx) =>
      queries.findPasswordHash(tx, userId),
    );
    if (hash === null || !(await verify(hash, password))) {
      throw invalidField("password", "is not your password", "wrong_password");
    }
  });
}
