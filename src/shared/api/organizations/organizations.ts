import { z } from "zod";
import { permissionNames } from "../../permissions.js";
import { endpoint } from "../../contract/endpoint.js";
import {
  boolean,
  description,
  email,
  id,
  jsonObject,
  jsonValue,
  name,
  page,
  slug,
  timestamp,
} from "../../contract/fields.js";
import { budgets, budgetsInput } from "./budgets.js";
import { usageFigures } from "./usage.js";

export const organization = z.strictObject({
  id,
  name: z.string(),
  slug: z.string(),
  description: z.string().nullable(),
  owner_id: id,
  billing_email: z.string().nullable(),
  is_active: z.boolean(),
  max_concurrent_agents: z.number(),
  max_agent_runtime_hours: z.number(),
  ...budgets,
  settings: z.record(z.string(), jsonValue),
  created_at: timestamp,
  updated_at: timestamp,
  archived_at: timestamp.nullable(),
});
export type Organization = z.output<typeof organization>;

export const organizationItem = z.strictObject({
  id,
  name: z.string(),
  slug: z.string(),
  role: z.string(),
  is_active: z.boolean(),
  owner: z.strictObject({ id, email: z.string() }),
  counts: z.strictObject({
    /** People, and agents that are members. */
    members: z.number(),
    people: z.number(),
    projects: z.number(),
    agents: z.number(),
  }),
  usage: usageFigures,
});
export type OrganizationItem = z.output<typeof organizationItem>;

/** Why the caller has a permission: each pattern of the role that grants it. */
export const permissionExplanation = z.strictObject({
  allowed: z.boolean(),
  because: z.array(
    z.strictObject({
      role: z.string(),
      /** The role that contains the pattern: the caller's own, or an inherited one. */
      via: z.string(),
      pattern: z.string(),
    }),
  ),
  /** Whether the role or the API key's scopes lack the permission; null if it is granted. */
  refused_by: z.enum(["role", "credential"]).nullable(),
});
export type PermissionExplanation = z.output<typeof permissionExplanation>;

const heldPermissions = z.strictObject({
  role: z.string(),
  permissions: z.array(z.string()),
  effective_permissions: z.array(z.string()),
});
export type HeldPermissions = z.output<typeof heldPermissions>;

export const slugAvailability = z.strictObject({
  slug: z.string(),
  available: z.boolean(),
  /** A free slug; null if the requested one is free. */
  suggestion: z.string().nullable(),
  /** Why the requested slug cannot be used, as a field error. */
  reason: z.string().nullable(),
});
export type SlugAvailability = z.output<typeof slugAvailability>;

const maxConcurrentAgents = z.number().int().min(1).max(10_000);
const maxRuntimeHours = z.number().min(0, "must not be negative").max(1_000_000);

const orgParams = z.strictObject({ org_id: z.string().min(1).max(63) });

export const organizations = {
  create: endpoint({
    method: "POST",
    path: "/api/v1/organizations",
    access: "signed-in",
    summary: "Create a new organization; its creator is the owner",
    status: 201,
    location: "/api/v1/organizations/{id}",
    body: z.strictObject({
      name,
      slug: slug.optional(),
      description: description.nullish(),
      billing_email: email.nullish(),
      settings: jsonObject(16 * 1024).optional(),
      max_concurrent_agents: maxConcurrentAgents.optional(),
      max_agent_runtime_hours: maxRuntimeHours.optional(),
    }),
    response: organization,
    errors: ["insufficient_permission", "slug_taken", "slug_reserved", "workspace_busy"],
  }),
  list: endpoint({
    method: "GET",
    path: "/api/v1/organizations",
    access: "signed-in",
    summary: "List organizations the caller is a member of",
    query: page.extend({ include_archived: boolean.optional() }),
    response: z.array(organizationItem),
  }),
  slugAvailability: endpoint({
    method: "GET",
    path: "/api/v1/organizations/slug-availability",
    access: "signed-in",
    summary: "Check whether a slug is available, and suggest a free one otherwise",
    query: z.strictObject({
      slug: z.string().min(1).max(255),
      /** The organization that would use the slug: its previous slugs are available to it. */
      organization_id: id.optional(),
    }),
    response: slugAvailability,
    errors: ["insufficient_permission"],
  }),
  get: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}",
    access: "org:read",
    summary: "Get organization details",
    params: orgParams,
    response: organization,
  }),
  update: endpoint({
    method: "PATCH",
    path: "/api/v1/organizations/{org_id}",
    access: "org:read",
    summary: "Update the organization; which permission is needed depends on the fields",
    params: orgParams,
    body: z.strictObject({
      name: name.optional(),
      slug: slug.optional(),
      description: description.nullable().optional(),
      billing_email: email.nullable().optional(),
      settings: jsonObject(16 * 1024).optional(),
      max_concurrent_agents: maxConcurrentAgents.optional(),
      max_agent_runtime_hours: maxRuntimeHours.optional(),
      ...budgetsInput,
    }),
    response: organization,
    errors: ["slug_taken", "slug_reserved"],
  }),
  archive: endpoint({
    method: "DELETE",
    path: "/api/v1/organizations/{org_id}",
    access: "org:archive",
    revokes: true,
    summary: "Archive organization (soft delete, owner only)",
    params: orgParams,
    errors: ["run_in_progress"],
  }),
  restore: endpoint({
    method: "POST",
    path: "/api/v1/organizations/{org_id}/restore",
    access: "org:archive",
    whenArchived: true,
    summary: "Restore an archived organization (owner only)",
    status: 200,
    params: orgParams,
    response: organization,
  }),
  transfer: endpoint({
    method: "POST",
    path: "/api/v1/organizations/{org_id}/transfer",
    access: "org:transfer",
    revokes: true,
    summary: "Transfer ownership to another member; the previous owner becomes admin",
    status: 200,
    params: orgParams,
    body: z.strictObject({ user_id: id }),
    response: organization,
  }),
  permissions: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/permissions",
    access: "org:read",
    summary: "List the caller's permissions here; with check, explain one of them",
    params: orgParams,
    query: z.strictObject({
      check: z
        .enum(permissionNames, "is not a known permission; see GET /api/v1/permissions")
        .optional(),
    }),
    response: z.union([heldPermissions, permissionExplanation]),
  }),
};
