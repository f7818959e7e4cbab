import type { Queryable } from "../../db/connection/connect.js";
import { issueToken } from "./passwords/email-tokens.js";
import { deleteIdentities } from "./oidc/oidc.queries.js";
import { deletePasskeys } from "./passkeys/passkeys.queries.js";
import { deleteTotp } from "./totp/second-factor.queries.js";
import { revokeSessions } from "./sessions/sessions.queries.js";

/** Ends all that opens an account but its password and its keys. Needs the person's row locked. */
export async function removeSignInMethods(tx: Queryable, userId: string): Promise<void> {
  await removeSecondFactors(tx, userId);
  await deleteIdentities(tx, userId);
  await revokeSessions(tx, userId, null);
}

/** Removes the authenticator app, its recovery codes and all passkeys. */
export async function removeSecondFactors(tx: Queryable, userId: string): Promise<void> {
  await deletePasskeys(tx, userId);
  await deleteTotp(tx, userId);
}

/** Ends all sessions of a person. */
export function endSessions(tx: Queryable, userId: string): Promise<void> {
  return revokeSessions(tx, userId, null);
}

/** Issues the token of a link by which a person chooses a new password; earlier ones stop working. */
export function issuePasswordToken(
  tx: Queryable,
  verificationKey: string,
  user: { id: string; email: string },
): Promise<{ token: string; expires_at: string }> {
  return issueToken(tx, verificationKey, "reset", user);
}
