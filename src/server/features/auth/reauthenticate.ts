import { verify } from "@node-rs/argon2";
import type { Database } from "../../db/connection/connect.js";
import { AppError, invalidField } from "../../errors.js";
import type { Actor } from "../../access/authenticate.js";
import { limitFailures } from "../../access/rate-limit.js";
import * as queries from "./totp/second-factor.queries.js";

const passwordLimit = { hits: 10, seconds: 15 * 60 };

/**
 * The session, where there is one: how a person signs in is changed by the person alone, not by a
 * program that holds a key.
 * @throws AppError 403 `session_required`
 */
export function requireSession(actor: Actor): string {
  if (actor.session) return actor.session.id;
  throw new AppError(
    "session_required",
    "How you sign in is changed after signing in, not with an API key.",
  );
}

/**
 * Asks again who it is, before something that a borrowed session should not do: by the password, or by
 * having signed in within the last ten minutes.
 * @throws AppError 403 `reauthentication_required`; 422 for a wrong password
 */
export async function reauthenticate(
  db: Database,
  actor: Actor,
  password: string | undefined,
): Promise<void> {
  const sessionId = requireSession(actor);
  if (password !== undefined) return requirePassword(db, actor.userId, password);
  const isFresh = await db.withSystem("find out when one signed in", (tx) =>
    queries.isFreshSession(tx, sessionId),
  );
  if (isFresh) return;
  throw new AppError(
    "reauthentication_required",
    "It is a while since you signed in; give your password, or sign out and in again.",
  );
}

/** @throws AppError 422 where it is not the person's password; 429 */
export async function requirePassword(
  db: Database,
  userId: string,
  password: string,
): Promise<void> {
  await limitFailures(db, `password ${userId}`, passwordLimit, async () => {
    const hash = await db.withSystem("check one's password", (tx) =>
      queries.findPasswordHash(tx, userId),
    );
    if (hash === null || !(await verify(hash, password))) {
      throw invalidField("password", "is not your password", "wrong_password");
    }
  });
}
