import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { email, id, nullable, orgParams, page, timestamp } from "../../contract/fields.js";
import { member } from "./members.js";

const status = z.enum(["pending", "accepted", "expired", "revoked"]);

export const invitation = z.strictObject({
  id: id.describe("Id of the invitation"),
  email: z.string().describe("Invited email address; only its account can accept"),
  role_id: nullable.id.describe(
    "Id of the role that is granted; null if the role of a closed invitation was deleted",
  ),
  role_name: z.string().describe("Name of the role that is granted"),
  status: status.describe("`pending` until it is `accepted`, `expired` or `revoked`"),
  invited_by: z
    .strictObject({
      id: id.describe("Id of the user"),
      name: z.string().describe("Name or email address of the user"),
    })
    .nullable()
    .describe("The user who sent it"),
  created_at: timestamp.describe("Time at which it was created"),
  expires_at: timestamp.describe("Time at which the link stops working"),
});
export type Invitation = z.output<typeof invitation>;

/** The only responses with the link; null in a replay, since the link is not stored. */
const sentInvitation = invitation.extend({
  invite_url: nullable.string.describe(
    "Link to accept the invitation, in this response and the email only; null in a replayed response",
  ),
});
export type SentInvitation = z.output<typeof sentInvitation>;

/** The content of an invitation, visible to anyone with its link. */
const invitationOffer = z.strictObject({
  organization: z
    .strictObject({
      name: z.string().describe("Name of the organization"),
      is_active: z.boolean().describe("False for an archived organization"),
    })
    .describe("The organization to join"),
  role_name: z.string().describe("Name of the role that is granted"),
  invited_by: z
    .strictObject({ name: z.string().describe("Name of the user") })
    .nullable()
    .describe("The user who sent it"),
  email: z.string().describe("Invited email address; only its account can accept"),
  status: status.describe("`pending` until it is `accepted`, `expired` or `revoked`"),
  expires_at: timestamp.describe("Time at which the link stops working"),
  can_register: z.boolean().describe("Whether the link allows registering an account"),
});
export type InvitationOffer = z.output<typeof invitationOffer>;

const invitationParams = orgParams.extend({ invitation_id: id.describe("Id of the invitation") });
/** 32 random bytes in base64url. */
export const invitationToken = z.string().regex(/^[\w-]{43}$/, "is not an invitation token");
const tokenParams = z.strictObject({
  token: invitationToken.describe("Token of the invitation link, its last part"),
});

export const invitations = {
  create: endpoint({
    method: "POST",
    path: "/api/v1/organizations/{org_id}/invitations",
    access: "org:members:write",
    summary: "Invite a person by email; only this response contains the link",
    status: 201,
    location: "/api/v1/organizations/{org_id}/invitations/{id}",
    params: orgParams,
    body: z.strictObject({
      email: email.describe("Email address to invite"),
      role_id: id.describe("Id of the role to grant, which must not exceed your own"),
    }),
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
