import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { isKnownPattern } from "../../permissions.js";
import {
  boolean,
  description,
  id,
  name,
  nullable,
  orgParams,
  page,
  timestamp,
} from "../../contract/fields.js";

export const role = z.strictObject({
  id: id.describe("Id of the role"),
  organization_id: nullable.id.describe("Id of the organization; null for a system role"),
  name: z.string().describe("Name of the role, unique in its organization"),
  description: nullable.string.describe("Free text about the role; null for none"),
  permissions: z
    .array(z.string())
    .describe(
      "Own patterns of permissions, such as `project:read` or `agent:*`, without inherited ones",
    ),
  is_system: z
    .boolean()
    .describe("Whether it is one of the fixed roles that every organization has"),
  inherits_from: nullable.string.describe("Name of the role that it extends; null for none"),
  effective_permissions: z.array(z.string()).describe("Own and inherited patterns"),
  member_count: z.number().describe("Number of members with this role"),
  created_at: timestamp.describe("Time of creation"),
});
export type Role = z.output<typeof role>;

const roleParams = orgParams.extend({ role_id: id.describe("Id of the role") });

const parent = z.string("must be a role's name or id").min(1).max(255).nullish();
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
      name: name.describe("Name of the role, unique in the organization, 1 to 255 characters"),
      description: description.nullish().describe("Free text of at most 2 000 characters"),
      permissions: patterns.describe(
        "Patterns of permissions: `resource:action`, `resource:*` or `*:*`, within your own",
      ),
      inherits_from: parent.describe(
        "Name or id of the role that it extends, in the same organization or a system role",
      ),
      organization_id: id.optional().describe("Must be the organization of the path if given"),
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
      name: name.optional().describe("New name, 1 to 255 characters"),
      description: description
        .nullish()
        .describe("Free text of at most 2 000 characters; null removes it"),
      permissions: patterns
        .optional()
        .describe("Patterns of permissions, within your own; replaces all of them"),
      inherits_from: parent.describe("Name or id of the role that it extends; null for none"),
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
    query: page.extend({
      include_system: boolean.default(true).describe("Whether to list the system roles, too"),
    }),
    response: z.array(role),
  }),
  permissions: endpoint({
    method: "GET",
    path: "/api/v1/permissions",
    access: "signed-in",
    summary: "List all permissions",
    query: page,
    response: z.array(
      z.strictObject({
        name: z.string().describe("Name of the permission"),
        description: z.string().describe("What it allows"),
      }),
    ),
  }),
};
