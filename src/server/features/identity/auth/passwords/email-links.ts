import type { Logger } from "pino";
import type { Database } from "../../../../db/connection/connect.js";
import type { Actor } from "../../../../access/authenticate.js";
import { callerNetwork } from "#shared/node/networks.js";
import type { JobData, Jobs } from "../../../../jobs/queue.js";
import { resetPassword, verifyEmail } from "../../../../mail/email-templates.js";
import type { Mailer } from "../../../../mail/mailer.js";
import {
  deleteExpiredTokens,
  findAddressee,
  findToken,
  invalidLink,
  issueToken,
  useToken,
  type Purpose,
} from "./email-tokens.js";
import { userActor, claimAccount } from "../claim-account.js";
import { AppError } from "../../../../errors.js";
import { limitFailures, limitHits } from "../../../../access/rate-limit.js";
import * as rateLimits from "../../../../access/rate-limit.queries.js";

const askLimit = { hits: 5, seconds: 15 * 60 };
const askAddressLimit = { hits: 30, seconds: 60 * 60 };
const useLimit = { hits: 30, seconds: 15 * 60 };
const mailsAnHour = 5;

export interface EmailLinkDeps {
  db: Database;
  jobs: Jobs;
  mailer: Mailer;
  secret: string;
  publicUrl: () => string;
  log: Logger;
}

/**
 * Requests an emailed link. The account is looked up in the background, so the response and its timing
 * are the same for every address.
 * @throws AppError 429
 */
export async function requestLink(
  { db, jobs }: Pick<EmailLinkDeps, "db" | "jobs">,
  purpose: Purpose,
  email: string,
  ip: string,
): Promise<void> {
  // Limited by requesting address, too: callers elsewhere cannot use up a user's attempts.
  await limitHits(db, `${purpose} links ${callerNetwork(ip)}`, askAddressLimit);
  await limitHits(db, `${purpose} link ${callerNetwork(ip)} ${email}`, askLimit);
  await jobs.send("send-link", { purpose, email });
}

/** Handles `send-link` jobs. */
export async function runSendLink(
  deps: EmailLinkDeps,
  { purpose, email }: JobData["send-link"],
): Promise<void> {
  const { db, mailer, secret } = deps;
  const user = await db.withSystem("find the recipient of a link", (tx) =>
    findAddressee(tx, email),
  );
  if (!user || (purpose === "verify" && user.is_verified)) return;
  // Limits emails per mailbox, independent of the requester. The user is not locked out: the last email
  // contains a working link.
  const { hits } = await db.withSystem("count sent links", (tx) =>
    rateLimits.countHit(tx, `${purpose} mails ${user.id}`, 60 * 60),
  );
  if (hits > mailsAnHour) {
    deps.log.warn(
      { user_id: user.id, purpose },
      "too many links were requested for this user; no email is sent",
    );
    return;
  }
  const { token } = await db.withSystem("issue a link", (tx) =>
    issueToken(tx, secret, purpose, user),
  );
  const letter = purpose === "verify" ? verifyEmail : resetPassword;
  const page = purpose === "verify" ? "verify-email" : "reset-password";
  const link = `${deps.publicUrl()}/${page}?token=${token}`;
  await mailer.send({ to: user.email, ...letter(link) });
}

/**
 * Returns a link's user without using the link up.
 * @throws AppError 400 `invalid_link`; 429
 */
export async function requireLink(
  { db, secret }: Pick<EmailLinkDeps, "db" | "secret">,
  purpose: Purpose,
  token: string,
  ip: string,
): Promise<{ user_id: string; email: string }> {
  return limitFailures(db, `open links ${callerNetwork(ip)}`, useLimit, async () => {
    const found = await db.withSystem("read a link", (tx) => findToken(tx, secret, purpose, token));
    if (!found) throw invalidLink();
    return found;
  });
}

interface OpenedLink {
  token: string;
  /** Whether the person says that the account is theirs. */
  keep_access?: boolean | undefined;
}

/**
 * Verifies an address by a link. Opened without a session of the account, it removes every credential
 * but the password, unless the person keeps them (`claimAccount`).
 * @param signedInAs the actor of the session in which the link was opened
 * @throws AppError 400 `invalid_link`; 409 `link_of_another_account` without an answer; 429
 */
export async function verifyAddress(
  deps: Pick<EmailLinkDeps, "db" | "secret">,
  { token, keep_access }: OpenedLink,
  { ip, requestId, signedInAs }: { ip: string; requestId: string; signedInAs: Actor | null },
): Promise<void> {
  const { user_id: userId } = await requireLink(deps, "verify", token, ip);
  const isOwn = signedInAs?.userId === userId;
  if (signedInAs && !isOwn && keep_access === undefined) {
    throw new AppError(
      "link_of_another_account",
      "The link belongs to another account than the one you are signed in to; say whether you made that account.",
    );
  }
  const origin = { actor: userActor(userId), ip, requestId };
  await deps.db.systemChange(origin, async (tx, audit) => {
    const used = await useToken(tx, deps.secret, "verify", token);
    if (!used) throw invalidLink();
    const proof = isOwn ? "session" : keep_access === true ? "answer" : "link";
    await claimAccount(tx, audit, userId, proof);
  });
}

/** Deletes expired links. */
export function deleteExpiredLinks(db: Database): Promise<void> {
  return db.withSystem("delete expired links", deleteExpiredTokens);
}
