import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { email, id, page, timestamp } from "../../contract/fields.js";
import { member } from "./members.js";

const status = z.enum(["pending", "accepted", "expired", "revoked"]);

export const invitation = z.strictObject({
  id,
  email: z.string(),
  /** Null if the role of a closed invitation was deleted. */
  role_id: id.nullable(),
  role_name: z.string(),
  status,
  invited_by: z.strictObject({ id, name: z.string() }).nullable(),
  created_at: timestamp,
  expires_at: timestamp,
});
export type Invitation = z.output<typeof invitation>;

/** The only responses with the link; null in a replay, since the link is not stored. */
const sentInvitation = invitation.extend({ invite_url: z.string().nullable() });
export type SentInvitation = z.output<typeof sentInvitation>;

/** The content of an invitation, visible to anyone with its link. */
const invitationOffer = z.strictObject({
  organization: z.strictObject({ name: z.string(), is_active: z.boolean() }),
  role_name: z.string(),
  invited_by: z.strictObject({ name: z.string() }).nullable(),
  email: z.string(),
  status,
  expires_at: timestamp,
  /** Whether the link allows registering an account. */
  can_register: z.boolean(),
});
export type InvitationOffer = z.output<typeof invitationOffer>;

const orgParams = z.strictObject({ org_id: z.string().min(1).max(63) });
const invitationParams = orgParams.extend({ invitation_id: id });
/** 32 random bytes in base64url. */
export const invitationToken = z.string().regex(/^[\w-]{43}$/, "is not an invitation token");
const tokenParams = z.strictObject({ token: invitationToken });

export const invitations = {
  create: endpoint({
    method: "POST",
    path: "/api/v1/organizations/{org_id}/invitations",
    access: "org:members:write",
    summary: "Invite a person by email; only this response contains the link",
    status: 201,
    location: "/api/v1/organizations/{org_id}/invitations/{id}",
    params: orgParams,
    body: z.strictObject({ email, role_id: id }),
    response: sentInvitation,
    secrets: ["invite_url"],
    errors: ["privilege_escalation", "already_member", "already_invited"],
  }),
  list: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/invitations",
    access: "org:members:read",
    summary: "List invitations, newest first, including closed ones",
    params: orgParams,
    query: page,
    response: z.array(invitation),
  }),
  read: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/invitations/{invitation_id}",
    access: "org:members:read",
    summary: "Get an invitation; its ETag guards its revocation",
    params: invitationParams,
    response: invitation,
  }),
  revoke: endpoint({
    method: "DELETE",
    path: "/api/v1/organizations/{org_id}/invitations/{invitation_id}",
    access: "org:members:write",
    summary: "Revoke an invitation; its link stops working",
    params: invitationParams,
    errors: ["privilege_escalation", "invitation_not_pending"],
  }),
  resend: endpoint({
    method: "POST",
    path: "/api/v1/organizations/{org_id}/invitations/{invitation_id}/resend",
    access: "org:members:write",
    summary: "Resend an invitation with a new link and expiry; the old link stops working",
    status: 200,
    params: invitationParams,
    response: sentInvitation,
    secrets: ["invite_url"],
    errors: ["privilege_escalation", "already_member", "invitation_not_pending"],
  }),
  get: endpoint({
    method: "GET",
    path: "/api/v1/invitations/{token}",
    access: "public",
    summary: "Get the content of an invitation by its token",
    params: tokenParams,
    response: invitationOffer,
  }),
  accept: endpoint({
    method: "POST",
    path: "/api/v1/invitations/{token}/accept",
    access: "signed-in",
    summary: "Accept an invitation as the user with the invited email address; single use",
    status: 200,
    params: tokenParams,
    response: member,
    errors: [
      "insufficient_permission",
      "invitation_for_another",
      "invitation_not_pending",
      "organization_archived",
    ],
  }),
};
