import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { id, nullable, orgParams, page, timestamp } from "../../contract/fields.js";

export const member = z.strictObject({
  id: id.describe("Id of the membership"),
  kind: z
    .enum(["user", "agent", "service_account"])
    .describe("Whether a user, an agent or a service account"),
  user_id: nullable.id.describe("Id of the user or service account; null for an agent"),
  agent_id: nullable.id.describe("Id of the agent; null for the others"),
  organization_id: id.describe("Id of the organization"),
  role_id: id.describe("Id of the role"),
  role_name: z.string().describe("Name of the role"),
  joined_at: timestamp.describe("Time at which the membership began"),
  display_name: z
    .string()
    .describe("Full name or email address of a user, or name of an agent or a service account"),
  email: nullable.string.describe("Email address of a user; null for the others"),
  invited_by: nullable.id.describe(
    "Id of the user who invited or added the member; null if not known",
  ),
});
export type Member = z.output<typeof member>;

const memberParams = orgParams.extend({ member_id: id.describe("Id of the membership") });

export const members = {
  add: endpoint({
    method: "POST",
    path: "/api/v1/organizations/{org_id}/members",
    access: "org:members:write",
    summary: "Add a user or an agent to the organization",
    status: 201,
    location: "/api/v1/organizations/{org_id}/members/{id}",
    params: orgParams,
    body: z
      .strictObject({
        user_id: id.optional().describe("Id of the user to add; either this or `agent_id`"),
        agent_id: id.optional().describe("Id of the agent to add; either this or `user_id`"),
        role_id: id.describe("Id of the role to grant, which must not exceed your own"),
      })
      .refine((body) => (body.user_id === undefined) !== (body.agent_id === undefined), {
        message: "set either user_id or agent_id",
        path: ["user_id"],
      }),
    response: member,
    errors: ["privilege_escalation", "already_member"],
  }),
  list: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/members",
    access: "org:members:read",
    summary: "List organization members",
    params: orgParams,
    query: page,
    response: z.array(member),
  }),
  get: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/members/{member_id}",
    access: "org:members:read",
    summary: "Get a member; its ETag guards changes",
    params: memberParams,
    response: member,
  }),
  update: endpoint({
    method: "PATCH",
    path: "/api/v1/organizations/{org_id}/members/{member_id}",
    access: "org:members:write",
    revokes: true,
    summary: "Update a member's role",
    params: memberParams,
    body: z.strictObject({
      role_id: id.describe("Id of the new role, which must not exceed your own"),
    }),
    response: member,
    errors: ["privilege_escalation", "last_owner"],
  }),
  remove: endpoint({
    method: "DELETE",
    path: "/api/v1/organizations/{org_id}/members/{member_id}",
    access: "signed-in",
    revokes: true,
    summary: "Remove a member, or leave the organization",
    tenant: "params.org_id",
    params: memberParams,
    errors: [
      "insufficient_permission",
      "privilege_escalation",
      "last_owner",
      "service_account_member",
      "organization_archived",
    ],
  }),
};
