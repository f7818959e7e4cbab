import { hash, verify } from "@node-rs/argon2";
import { invalidField } from "../../../../errors.js";
import { accountClaimed, passwordChanged } from "../../../../mail/email-templates.js";
import { userActor, claimAccount } from "../claim-account.js";
import { requireLink, type EmailLinkDeps } from "./email-links.js";
import { deleteTokens, invalidLink, useToken } from "./email-tokens.js";
import { limitLogin } from "../limit-login.js";
import { rejectGuessablePassword } from "./password-rules.js";
import * as queries from "../auth.queries.js";
import * as sessions from "../browser-sessions/sessions.queries.js";

type PasswordDeps = Pick<EmailLinkDeps, "db" | "secret" | "mailer" | "publicUrl">;

/**
 * Sets a new or first password with an emailed link, which also verifies the address. All sessions end.
 * Keys, passkeys and the second factor stay, because access to the mailbox alone does not replace them,
 * unless the account was not claimed before (`claimAccount`).
 * @throws AppError 400 `invalid_link`; 422 for the new password; 429
 */
export async function resetPassword(
  deps: PasswordDeps,
  input: { token: string; new_password: string },
  { ip, requestId }: { ip: string; requestId: string },
): Promise<void> {
  const { db, secret } = deps;
  const { email, user_id: userId } = await requireLink(deps, "reset", input.token, ip);
  // Checked before the link is used up, so that a rejected password can be corrected.
  rejectGuessablePassword(input.new_password, email, "new_password");
  const passwordHash = await hash(input.new_password);
  const origin = { actor: userActor(userId), ip, requestId };
  const wasClaimed = await db.systemChange(origin, async (tx, audit) => {
    const used = await useToken(tx, secret, "reset", input.token);
    if (!used) throw invalidLink();
    const revoked = await claimAccount(tx, audit, userId, "password");
    await queries.setPassword(tx, userId, passwordHash);
    await sessions.revokeSessions(tx, userId, null);
    await deleteTokens(tx, userId);
    return !revoked;
  });
  await notifyPasswordChanged(deps, email, wasClaimed ? passwordChanged : accountClaimed);
}

/**
 * Changes a password with the current one. All other sessions and pending reset links end.
 * @throws AppError 422 for either password; 429
 */
export async function changePassword(
  deps: PasswordDeps,
  who: { userId: string; sessionId: string; ip: string },
  input: { current_password: string; new_password: string },
): Promise<void> {
  const { db } = deps;
  const { userId, sessionId, ip } = who;
  const account = await db.withSystem("read the user's password", (tx) =>
    queries.findOwnPassword(tx, userId),
  );
  if (!account) throw wrongPassword();
  const { email, password_hash: current } = account;
  await limitLogin(db, email, ip, async () => {
    if (!(await verify(current, input.current_password))) throw wrongPassword();
  });
  if (input.new_password === input.current_password) {
    throw invalidField("new_password", "is your current password; choose another", "same_password");
  }
  rejectGuessablePassword(input.new_password, email, "new_password");
  const passwordHash = await hash(input.new_password);
  await db.withSystemTx("change a password", async (tx) => {
    // Changed concurrently: the given password is no longer the current one.
    if (!(await queries.replacePassword(tx, userId, passwordHash, current))) throw wrongPassword();
    await sessions.revokeSessions(tx, userId, sessionId);
    await deleteTokens(tx, userId, "reset");
  });
  await notifyPasswordChanged(deps, email, passwordChanged);
}

function wrongPassword(): ReturnType<typeof invalidField> {
  return invalidField("current_password", "is not your password", "wrong_password");
}

async function notifyPasswordChanged(
  { mailer, publicUrl }: PasswordDeps,
  email: string,
  letter: typeof passwordChanged,
): Promise<void> {
  await mailer.send({ to: email, ...letter(`${publicUrl()}/forgot-password`) });
}
