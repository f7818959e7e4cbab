import { hash, verify } from "@node-rs/argon2";
import { invalidField } from "../../../errors.js";
import { accountClaimed, passwordChanged } from "../../../mail/email-templates.js";
import { actingPerson, claimAccount } from "../claim-account.js";
import { requireLink, type EmailLinkDeps } from "./email-links.js";
import { deleteTokens, invalidLink, useToken } from "./email-tokens.js";
import { limitLogin } from "../limit-login.js";
import { refuseGuessable } from "./password-rules.js";
import * as queries from "../auth.queries.js";
import * as sessions from "../sessions/sessions.queries.js";

type PasswordDeps = Pick<EmailLinkDeps, "db" | "secret" | "mailer" | "publicUrl">;

/**
 * Sets a password, a new or the first one, by a link from a mail, which proves the address, too. Every
 * session ends. Keys, passkeys and the second factor stay, since a mailbox is not enough to get past
 * them, unless the owner of the address had not taken the account over yet (`claimAccount`).
 * @throws AppError 400 `invalid_link`; 422 for the new password; 429
 */
export async function resetPassword(
  deps: PasswordDeps,
  input: { token: string; new_password: string },
  { ip, requestId }: { ip: string; requestId: string },
): Promise<void> {
  const { db, secret } = deps;
  const { email, user_id: userId } = await requireLink(deps, "reset", input.token, ip);
  // Before the link is used up: a password that is refused leaves it for another try.
  refuseGuessable(input.new_password, email, "new_password");
  const passwordHash = await hash(input.new_password);
  const origin = { actor: actingPerson(userId), ip, requestId };
  const wasClaimed = await db.systemChange(origin, async (tx, audit) => {
    const used = await useToken(tx, secret, "reset", input.token);
    if (!used) throw invalidLink();
    const revoked = await claimAccount(tx, audit, userId, "password");
    await queries.setPassword(tx, userId, passwordHash);
    await sessions.revokeSessions(tx, userId, null);
    await deleteTokens(tx, userId);
    return !revoked;
  });
  await tellChanged(deps, email, wasClaimed ? passwordChanged : accountClaimed);
}

/**
 * Sets a new password by the one that holds. Every session but this one ends, and so does a link that
 * would reset it.
 * @throws AppError 422 for either password; 429
 */
export async function changePassword(
  deps: PasswordDeps,
  who: { userId: string; sessionId: string; ip: string },
  input: { current_password: string; new_password: string },
): Promise<void> {
  const { db } = deps;
  const { userId, sessionId, ip } = who;
  const account = await db.withSystem("find one's password", (tx) =>
    queries.findOwnPassword(tx, userId),
  );
  if (!account) throw wrongPassword();
  const { email, password_hash: current } = account;
  await limitLogin(db, email, ip, async () => {
    if (!(await verify(current, input.current_password))) throw wrongPassword();
  });
  if (input.new_password === input.current_password) {
    throw invalidField("new_password", "is the one you have; choose another", "same_password");
  }
  refuseGuessable(input.new_password, email, "new_password");
  const passwordHash = await hash(input.new_password);
  await db.withSystemTx("change a password", async (tx) => {
    // Changed meanwhile: the one that was given is the current one no longer.
    if (!(await queries.replacePassword(tx, userId, passwordHash, current))) throw wrongPassword();
    await sessions.revokeSessions(tx, userId, sessionId);
    await deleteTokens(tx, userId, "reset");
  });
  await tellChanged(deps, email, passwordChanged);
}

function wrongPassword(): ReturnType<typeof invalidField> {
  return invalidField("current_password", "is not your password", "wrong_password");
}

async function tellChanged(
  { mailer, publicUrl }: PasswordDeps,
  email: string,
  letter: typeof passwordChanged,
): Promise<void> {
  await mailer.send({ to: email, ...letter(`${publicUrl()}/forgot-password`) });
}
