import type { Queryable } from "../../../db/connection/connect.js";
import { issueToken } from "./passwords/email-tokens.js";
import { deleteIdentities } from "./oidc/oidc.queries.js";
import { deletePasskeys } from "./passkeys/passkeys.queries.js";
import { deleteTotp } from "./totp/second-factor.queries.js";
import { revokeSessions } from "./browser-sessions/sessions.queries.js";

/** Removes every credential but the password and API keys. Requires the lock on the user's row. */
export async function removeSignInMethods(tx: Queryable, userId: string): Promise<void> {
  await removeSecondFactors(tx, userId);
  await deleteIdentities(tx, userId);
  await revokeSessions(tx, userId, null);
}

/** Removes the authenticator app, recovery codes and all passkeys. */
export async function removeSecondFactors(tx: Queryable, userId: string): Promise<void> {
  await deletePasskeys(tx, userId);
  await deleteTotp(tx, userId);
}

/** Ends all sessions of a user. */
export function endSessions(tx: Queryable, userId: string): Promise<void> {
  return revokeSessions(tx, userId, null);
}

/** Issues the token of a password-reset link; earlier ones become invalid. */
export function issuePasswordToken(
  tx: Queryable,
  verificationKey: string,
  user: { id: string; email: string },
): Promise<{ token: string; expires_at: string }> {
  return issueToken(tx, verificationKey, "reset", user);
}
