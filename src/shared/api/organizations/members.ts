import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { id, page, timestamp } from "../../contract/fields.js";

export const member = z.strictObject({
  id,
  user_id: id.nullable(),
  agent_id: id.nullable(),
  organization_id: id,
  role_id: id,
  role_name: z.string(),
  joined_at: timestamp,
  display_name: z.string(),
  email: z.string().nullable(),
  invited_by: id.nullable(),
});
export type Member = z.output<typeof member>;

const orgParams = z.strictObject({ org_id: z.string().min(1).max(63) });
const memberParams = orgParams.extend({ member_id: id });

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
      .strictObject({ user_id: id.optional(), agent_id: id.optional(), role_id: id })
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
    body: z.strictObject({ role_id: id }),
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
      "organization_archived",
    ],
  }),
};
