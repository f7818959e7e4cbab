import type {
  Invitation,
  InvitationOffer,
  SentInvitation,
} from "#shared/api/organization/invitations.js";
import type { Member } from "#shared/api/organization/members.js";
import { diffFields } from "../../../db/audit/audit.js";
import { newId } from "../../../db/tables/columns.js";
import type { Database, Queryable } from "../../../db/connection/connect.js";
import { AppError, notFound } from "../../../errors.js";
import { requireFullAccess } from "../../../access/authorize.js";
import { requireNotArchived } from "../../../access/access.js";
import type { ActorContext, OrgContext } from "../../../http/requests/request-context.js";
import { invitation as invitationEmail } from "../../../mail/email-templates.js";
import type { Mailer } from "../../../mail/mailer.js";
import { limitHitsWithin } from "../../../access/rate-limit.js";
import { isStillValid, addInvitedMember, requireGrantableRole } from "../members/index.js";
import * as queries from "./invitations.queries.js";
import { generateToken, hashToken } from "./token.js";

export interface InvitationDeps {
  db: Database;
  mailer: Mailer;
  settings: {
    secret: string;
    invitationDays: number;
    registration: "open" | "invite" | "closed";
  };
  publicUrl: () => string;
}

/** Limits emails per organization and per recipient, against flooding. */
const organizationLimit = { hits: 100, seconds: 60 * 60 };
const addressLimit = { hits: 5, seconds: 60 * 60 };

/**
 * Invites an address, replacing an expired invitation.
 * @throws AppError 403 `privilege_escalation`; 409 `already_member`, `already_invited`; 422; 429
 */
export async function invite(
  deps: InvitationDeps,
  context: OrgContext,
  { email, role_id }: { email: string; role_id: string },
): Promise<SentInvitation> {
  const token = generateToken();
  const made = await context.change(async (tx, audit, access) => {
    const role = await requireGrantableRole(tx, access, role_id);
    await requireNotMember(tx, email);
    await queries.deleteExpired(tx, email);
    if (await queries.findOpenInvitation(tx, email)) {
      throw new AppError(
        "already_invited",
        `${email} has an open invitation; send it again, or revoke it before you create another.`,
      );
    }
    await limitEmails(tx, context.orgId, email);
    const id = newId();
    await queries.insertInvitation(tx, {
      id,
      org_id: context.orgId,
      email,
      role_id,
      role_name: role.name,
      invited_by: context.actor.userId,
      ...linkColumns(deps, token),
    });
    const invitation = (await queries.findInvitation(tx, id)) as Invitation;
    audit({
      action: "invitation.created",
      target: targetOf(invitation),
      changes: diffFields(null, invitation, ["email", "role_name", "expires_at"]),
    });
    return { invitation, organization: await queries.organizationName(tx, context.orgId) };
  });
  return send(deps, made, token);
}

/**
 * Sends an invitation again, also an expired one, with a new link and expiry; the old link stops
 * working.
 * @throws AppError 403 `privilege_escalation`; 404; 409 `invitation_not_pending`, `already_member`; 429
 */
export async function resend(
  deps: InvitationDeps,
  context: OrgContext,
  invitationId: string,
): Promise<SentInvitation> {
  const token = generateToken();
  const made = await context.change(async (tx, audit, access) => {
    const before = await requireInvitation(tx, invitationId);
    if (before.status === "accepted" || before.status === "revoked") throw notPending(before);
    if (before.role_id === null) {
      throw new AppError(
        "invitation_not_pending",
        `The role "${before.role_name}" was deleted; invite ${before.email} with another role.`,
        { invitation_status: before.status },
      );
    }
    await requireGrantableRole(tx, access, before.role_id);
    await requireNotMember(tx, before.email);
    await limitEmails(tx, context.orgId, before.email);
    // From now on the invitation depends on the permissions of the user who sent it again.
    const invited_by = context.actor.userId;
    await queries.updateInvitation(tx, invitationId, { ...linkColumns(deps, token), invited_by });
    const invitation = await requireInvitation(tx, invitationId);
    audit({
      action: "invitation.resent",
      target: targetOf(invitation),
      changes: diffFields(before, invitation, ["expires_at"]),
    });
    return { invitation, organization: await queries.organizationName(tx, context.orgId) };
  });
  return send(deps, made, token);
}

/**
 * Revokes an invitation; idempotent.
 * @throws AppError 403 `privilege_escalation`; 404; 409 `invitation_not_pending` when it was accepted
 */
export async function revoke(context: OrgContext, invitationId: string): Promise<void> {
  await context.change(async (tx, audit, access) => {
    const invitation = await requireInvitation(tx, invitationId);
    if (invitation.status === "revoked") return;
    if (invitation.status === "accepted") throw notPending(invitation);
    const { role_id } = invitation;
    if (role_id !== null) await requireGrantableRole(tx, access, role_id);
    await queries.endInvitation(tx, invitationId, "revoked_at");
    audit({
      action: "invitation.revoked",
      target: targetOf(invitation),
      changes: diffFields(invitation, null, ["email", "role_name"]),
    });
  });
}

/**
 * Returns what a link offers.
 * @throws AppError 404 when no invitation has this link
 */
export async function readOffer(
  { db, settings }: InvitationDeps,
  token: string,
): Promise<InvitationOffer> {
  const hash = hashToken(settings.secret, token);
  const found = await db.withSystem("show an invitation to the holder of its link", (tx) =>
    findOffer(tx, hash),
  );
  if (!found) throw notFound();
  const { role_name, invited_by, email, status, expires_at } = found.invitation;
  return {
    organization: { name: found.organization_name, is_active: !found.archived },
    role_name,
    invited_by: invited_by && { name: invited_by.name },
    email,
    status,
    expires_at,
    can_register: status === "pending" && settings.registration !== "closed",
  };
}

/**
 * Joins the organization as the user with the invited address, provided the inviter could still create
 * the invitation. An existing member keeps the current role, and the invitation is used up.
 * @throws AppError 403 `invitation_for_another`; 404; 409 `invitation_not_pending`,
 * `organization_archived`
 */
export async function accept(
  { db, settings }: InvitationDeps,
  context: ActorContext,
  token: string,
): Promise<Member> {
  requireFullAccess(context.actor);
  const { userId } = context.actor;
  const hash = hashToken(settings.secret, token);
  const { orgId, address } = await db.withSystem("find an invitation by its link", async (tx) => ({
    orgId: (await queries.findByToken(tx, hash))?.org_id,
    address: await queries.findUserEmail(tx, userId),
  }));
  if (orgId === undefined) throw notFound();
  return db.change(orgId, context, async (tx, audit) => {
    // Read again under the lock: it may have been sent again, revoked or accepted meanwhile.
    const found = await findOffer(tx, hash);
    if (!found) throw notFound();
    const { invitation, archived } = found;
    if (invitation.email !== address) {
      throw new AppError(
        "invitation_for_another",
        `The invitation is for ${invitation.email}; sign in with that address to accept it.`,
      );
    }
    if (invitation.status !== "pending" || invitation.role_id === null)
      throw notPending(invitation);
    requireNotArchived({ archived });
    await queries.endInvitation(tx, invitation.id, "accepted_at");
    audit({
      action: "invitation.accepted",
      target: targetOf(invitation),
      changes: diffFields(null, invitation, ["role_name"]),
    });
    return addInvitedMember(tx, audit, {
      org_id: orgId,
      user_id: userId,
      role_id: invitation.role_id,
      invited_by: invitation.invited_by?.id,
    });
  });
}

/** Whether a token belongs to an open invitation of the address, for registration. */
export async function isInvited(
  db: Database,
  secret: string,
  token: string,
  email: string,
): Promise<boolean> {
  const found = await db.withSystem("check the invitation of a registration", (tx) =>
    findOffer(tx, hashToken(secret, token)),
  );
  return found?.invitation.status === "pending" && found.invitation.email === email;
}

const targetOf = ({ id, email }: Invitation) => ({ type: "invitation", id, name: email }) as const;

/** Returns the columns that a new link changes. */
function linkColumns({ settings }: InvitationDeps, token: string) {
  const { secret, invitationDays } = settings;
  const expires_at = new Date(Date.now() + invitationDays * 86_400_000).toISOString();
  return { token_hash: hashToken(secret, token), expires_at };
}

/**
 * Emails the link after the transaction: the invitation exists and can be sent again even if the email
 * fails.
 */
async function send(
  { mailer, publicUrl }: InvitationDeps,
  { invitation, organization }: { invitation: Invitation; organization: string },
  token: string,
): Promise<SentInvitation> {
  const invite_url = `${publicUrl()}/invitations/${token}`;
  const email = invitationEmail({
    inviter: invitation.invited_by?.name ?? organization,
    organization,
    role: invitation.role_name,
    link: invite_url,
    expiresAt: new Date(invitation.expires_at),
  });
  await mailer.send({ to: invitation.email, ...email });
  return { ...invitation, invite_url };
}

/** Finds an invitation by the HMAC of its token; revoked if its inviter could no longer create it. */
async function findOffer(tx: Queryable, tokenHash: Buffer) {
  const found = await queries.findByToken(tx, tokenHash);
  if (found?.invitation.status !== "pending") return found;
  if (await isStillValid(tx, found.invitation.id)) return found;
  return { ...found, invitation: { ...found.invitation, status: "revoked" as const } };
}

async function requireInvitation(tx: Queryable, invitationId: string): Promise<Invitation> {
  const invitation = await queries.findInvitation(tx, invitationId);
  if (!invitation) throw notFound();
  return invitation;
}

async function requireNotMember(tx: Queryable, email: string): Promise<void> {
  if (!(await queries.isMemberAddress(tx, email))) return;
  throw new AppError("already_member", `${email} is already a member; change the role instead.`);
}

/** Counted in the invitation's transaction, so that rejected invitations do not count. */
async function limitEmails(tx: Queryable, orgId: string, email: string): Promise<void> {
  await limitHitsWithin(tx, `invitations of ${orgId}`, organizationLimit);
  await limitHitsWithin(tx, `invitations to ${email}`, addressLimit);
}

const CLOSED_REASONS = {
  pending: "has no role any more; ask for a new one",
  accepted: "was already accepted",
  revoked: "was revoked; ask for a new one",
  expired: "has expired; ask for a new one",
} as const;

function notPending({ status }: Invitation): AppError {
  return new AppError("invitation_not_pending", `The invitation ${CLOSED_REASONS[status]}.`, {
    invitation_status: status,
  });
}
