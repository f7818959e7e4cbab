import { z } from "zod";
import { endpoint } from "./endpoint.js";
import { boolean, id, timestamp } from "./fields.js";

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

export const roles = {
  list: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/roles",
    access: "org:read",
    summary: "List roles available in the organization",
    params: orgParams,
    query: z.strictObject({ include_system: boolean.default(true) }),
    response: z.array(role),
  }),
  permissions: endpoint({
    method: "GET",
    path: "/api/v1/permissions",
    access: "signed-in",
    summary: "The registry of permissions",
    response: z.array(z.strictObject({ name: z.string(), description: z.string() })),
  }),
};
