import { z } from "zod";
import { endpoint } from "../contract/endpoint.js";
import { email, id, page, timestamp } from "../contract/fields.js";
import { member } from "./members.js";

const status = z.enum(["pending", "accepted", "expired", "revoked"]);

export const invitation = z.strictObject({
  id,
  email: z.string(),
  /** Null where an invitation that is over named a role that has been deleted since. */
  role_id: id.nullable(),
  role_name: z.string(),
  status,
  invited_by: z.strictObject({ id, name: z.string() }).nullable(),
  created_at: timestamp,
  expires_at: timestamp,
});
export type Invitation = z.output<typeof invitation>;

/** The only answers that hold the link; null in a replay, as it is not kept. */
const sentInvitation = invitation.extend({ invite_url: z.string().nullable() });
export type SentInvitation = z.output<typeof sentInvitation>;

/** What the link is for, told to whoever holds it. */
const invitationOffer = z.strictObject({
  organization: z.strictObject({ name: z.string(), is_active: z.boolean() }),
  role_name: z.string(),
  invited_by: z.strictObject({ name: z.string() }).nullable(),
  email: z.string(),
  status,
  expires_at: timestamp,
  /** Whether a person without an account may make one by this invitation. */
  can_register: z.boolean(),
});
export type InvitationOffer = z.output<typeof invitationOffer>;

const orgParams = z.strictObject({ org_id: z.string().min(1).max(63) });
const invitationParams = orgParams.extend({ invitation_id: id });
/** 32 random bytes in base64url. */
export const invitationToken = z.string().regex(/^[\w-]{43}$/, "is no invitation's token");
const tokenParams = z.strictObject({ token: invitationToken });

export const invitations = {
  create: endpoint({
    method: "POST",
    path: "/api/v1/organizations/{org_id}/invitations",
    access: "org:members:write",
    summary: "Invite somebody by e-mail; the answer alone holds the link",
    status: 201,
    params: orgParams,
    body: z.strictObject({ email, role_id: id }),
    response: sentInvitation,
  }),
  list: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/invitations",
    access: "org:members:read",
    summary: "List invitations, newest first, those that are over too",
    params: orgParams,
    query: page,
    response: z.array(invitation),
  }),
  read: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/invitations/{invitation_id}",
    access: "org:members:read",
    summary: "Read an invitation, the ETag of which guards its revocation",
    params: invitationParams,
    response: invitation,
  }),
  revoke: endpoint({
    method: "DELETE",
    path: "/api/v1/organizations/{org_id}/invitations/{invitation_id}",
    access: "org:members:write",
    summary: "Revoke an invitation; its link stops working",
    params: invitationParams,
  }),
  resend: endpoint({
    method: "POST",
    path: "/api/v1/organizations/{org_id}/invitations/{invitation_id}/resend",
    access: "org:members:write",
    summary: "Send an invitation again, with a new link and a new expiry; the old link is dead",
    status: 200,
    params: invitationParams,
    response: sentInvitation,
  }),
  get: endpoint({
    method: "GET",
    path: "/api/v1/invitations/{token}",
    access: "public",
    summary: "What an invitation is for, told to whoever holds its link",
    params: tokenParams,
    response: invitationOffer,
  }),
  accept: endpoint({
    method: "POST",
    path: "/api/v1/invitations/{token}/accept",
    access: "signed-in",
    summary: "Join the organization, once, as the person with the invited address",
    status: 200,
    params: tokenParams,
    response: member,
  }),
};
