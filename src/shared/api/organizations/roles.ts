import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { isKnownPattern } from "../../permissions.js";
import { boolean, description, id, name, page, timestamp } from "../../contract/fields.js";

export const role = z.strictObject({
  id,
  organization_id: id.nullable(),
  name: z.string(),
  description: z.string().nullable(),
  permissions: z.array(z.string()),
  is_system: z.boolean(),
  inherits_from: z.string().nullable(),
  effective_permissions: z.array(z.string()),
  member_count: z.number(),
  created_at: timestamp,
});
export type Role = z.output<typeof role>;

const orgParams = z.strictObject({ org_id: z.string().min(1).max(63) });

const roleParams = orgParams.extend({ role_id: id });

const pattern = z
  .string()
  .max(100)
  .refine(isKnownPattern, "is not a known permission or pattern; see GET /api/v1/permissions");
const patterns = z
  .array(pattern, "must be a list of permissions")
  .max(100, "must be at most 100 permissions")
  .transform((list) => [...new Set(list)]);

export const roles = {
  create: endpoint({
    method: "POST",
    path: "/api/v1/organizations/{org_id}/roles",
    access: "org:roles:write",
    summary: "Create custom role",
    status: 201,
    location: "/api/v1/organizations/{org_id}/roles/{id}",
    params: orgParams,
    body: z.strictObject({
      name,
      description: description.nullish(),
      permissions: patterns,
      inherits_from: z.string("must be a role's name or id").min(1).max(255).nullish(),
      organization_id: id.optional(),
    }),
    response: role,
    errors: ["privilege_escalation", "role_name_taken"],
  }),
  get: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/roles/{role_id}",
    access: "org:read",
    summary: "Get a role; its ETag guards changes",
    params: roleParams,
    response: role,
  }),
  update: endpoint({
    method: "PATCH",
    path: "/api/v1/organizations/{org_id}/roles/{role_id}",
    access: "org:roles:write",
    revokes: true,
    summary: "Update custom role (cannot update system roles)",
    params: roleParams,
    body: z.strictObject({
      name: name.optional(),
      description: description.nullable().optional(),
      permissions: patterns.optional(),
      inherits_from: z.string("must be a role's name or id").min(1).max(255).nullable().optional(),
    }),
    response: role,
    errors: ["system_role", "privilege_escalation", "role_name_taken"],
  }),
  remove: endpoint({
    method: "DELETE",
    path: "/api/v1/organizations/{org_id}/roles/{role_id}",
    access: "org:roles:write",
    revokes: true,
    summary: "Delete custom role (cannot delete system roles)",
    params: roleParams,
    errors: ["system_role", "privilege_escalation", "role_in_use"],
  }),
  list: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/roles",
    access: "org:read",
    summary: "List the roles available in the organization",
    params: orgParams,
    query: page.extend({ include_system: boolean.default(true) }),
    response: z.array(role),
  }),
  permissions: endpoint({
    method: "GET",
    path: "/api/v1/permissions",
    access: "signed-in",
    summary: "List all permissions",
    query: page,
    response: z.array(z.strictObject({ name: z.string(), description: z.string() })),
  }),
};
