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
  nullable,
  orgParams,
  page,
  slug,
  timestamp,
} from "../../contract/fields.js";
import { budgets, budgetsInput } from "./budgets.js";
import { usageFigures } from "./usage.js";

export const organization = z.strictObject({
  id: id.describe("Id of the organization, which never changes"),
  name: z.string().describe("Name of the organization"),
  slug: z.string().describe("Current slug. Former slugs keep leading to the organization."),
  description: nullable.string.describe("Free text about the organization; null for none"),
  owner_id: id.describe("Id of the user who owns it"),
  billing_email: nullable.string.describe("Email address for statements; null if not given"),
  is_active: z.boolean().describe("False for an archived organization, which can only be read"),
  max_concurrent_agents: z
    .number()
    .describe("Maximum number of agents with a run at the same time"),
  max_agent_runtime_hours: z.number().describe("Maximum hours of runs in a calendar month (UTC)"),
  ...budgets,
  allowed_models: z
    .array(z.string())
    .nullable()
    .describe("Patterns of the models that runs may call; null for all"),
  max_open_child_tasks: z
    .int()
    .describe("Maximum number of open tasks that the agents of one task have created"),
  settings: z
    .record(z.string(), jsonValue)
    .describe("Settings of your own, at most 16 KiB of JSON"),
  created_at: timestamp.describe("Time of creation"),
  updated_at: timestamp.describe("Time of the last change"),
  archived_at: nullable.timestamp.describe("Time at which it was archived; null if it is active"),
});
export type Organization = z.output<typeof organization>;

export const organizationItem = z.strictObject({
  id: id.describe("Id of the organization"),
  name: z.string().describe("Name of the organization"),
  slug: z.string().describe("Current slug"),
  role: z.string().describe("Name of the caller's role in it"),
  is_active: z.boolean().describe("False for an archived organization"),
  owner: z
    .strictObject({
      id: id.describe("Id of the user"),
      email: z.string().describe("Email address of the user"),
    })
    .describe("The user who owns it"),
  counts: z
    .strictObject({
      members: z.number().describe("Members: people, agents and service accounts"),
      people: z.number().describe("Members who are people"),
      projects: z.number().describe("Projects, those under import included"),
      agents: z.number().describe("Agents that are not terminated"),
    })
    .describe("Numbers of what it contains"),
  usage: usageFigures.describe("Usage of the current calendar month (UTC)"),
});
export type OrganizationItem = z.output<typeof organizationItem>;

/** Why the caller has a permission: each pattern of the role that grants it. */
export const permissionExplanation = z.strictObject({
  allowed: z.boolean().describe("Whether the caller has the permission"),
  because: z
    .array(
      z.strictObject({
        role: z.string().describe("Name of the caller's role"),
        via: z
          .string()
          .describe("The role that contains the pattern: the caller's own, or an inherited one"),
        pattern: z.string().describe("The pattern that covers the permission, such as `project:*`"),
      }),
    )
    .describe("The patterns that grant it; empty if it is not granted"),
  refused_by: z
    .enum(["role", "credential"])
    .nullable()
    .describe(
      "Whether the role or the API key's scopes lack the permission; null if it is granted",
    ),
});
export type PermissionExplanation = z.output<typeof permissionExplanation>;

const heldPermissions = z.strictObject({
  role: z.string().describe("Name of the caller's role"),
  permissions: z
    .array(z.string())
    .describe("The caller's patterns, from its role and roles that the role extends"),
  effective_permissions: z
    .array(z.string())
    .describe("All permissions that the caller has, by name"),
});
export type HeldPermissions = z.output<typeof heldPermissions>;

export const slugAvailability = z.strictObject({
  slug: z.string().describe("The requested slug"),
  available: z.boolean().describe("Whether it can be used"),
  suggestion: nullable.string.describe("A free slug; null if the requested one is free"),
  reason: nullable.string.describe("Why the requested slug cannot be used, as a field error"),
});
export type SlugAvailability = z.output<typeof slugAvailability>;

const maxConcurrentAgents = z.int().min(1).max(10_000);
const maxRuntimeHours = z.number().min(0, "must not be negative").max(1_000_000);

/** Names of models, also of routers, such as `anthropic/claude-*`. */
const allowedModels = z
  .array(
    z
      .string()
      .max(200, "must have at most 200 characters")
      .regex(/^[A-Za-z0-9._:/@*[\]-]+$/, "must be the name of a model, such as claude-sonnet-*"),
    "must be a list of names",
  )
  .min(1, "must name a model; null allows all")
  .max(100, "must be at most 100 names");

export const organizations = {
  create: endpoint({
    method: "POST",
    path: "/api/v1/organizations",
    access: "signed-in",
    summary: "Create a new organization; its creator is the owner",
    status: 201,
    location: "/api/v1/organizations/{id}",
    body: z.strictObject({
      name: name.describe("Name of the organization, 1 to 255 characters"),
      slug: slug
        .optional()
        .describe(
          "2 to 63 of `a-z`, `0-9` and single `-`, unique in the installation; by default made from the name",
        ),
      description: description.nullish().describe("Free text of at most 2 000 characters"),
      billing_email: email.nullish().describe("Email address for statements"),
      settings: jsonObject(16 * 1024)
        .optional()
        .describe("Settings of your own, at most 16 KiB of JSON"),
      max_concurrent_agents: maxConcurrentAgents
        .optional()
        .describe(
          "Maximum number of agents with a run at the same time, 1 to 10 000, at most the installation's",
        ),
      max_agent_runtime_hours: maxRuntimeHours
        .optional()
        .describe(
          "Maximum hours of runs in a calendar month (UTC), 0 to 1 000 000, at most the installation's",
        ),
    }),
    response: organization,
    errors: ["insufficient_permission", "slug_taken", "slug_reserved", "workspace_busy"],
  }),
  list: endpoint({
    method: "GET",
    path: "/api/v1/organizations",
    access: "signed-in",
    summary: "List organizations the caller is a member of",
    query: page.extend({
      include_archived: boolean.optional().describe("Whether to list archived organizations, too"),
    }),
    response: z.array(organizationItem),
  }),
  slugAvailability: endpoint({
    method: "GET",
    path: "/api/v1/organizations/slug-availability",
    access: "signed-in",
    summary: "Check whether a slug is available, and suggest a free one otherwise",
    query: z.strictObject({
      slug: z.string().min(1).max(255).describe("The slug to check"),
      organization_id: id
        .optional()
        .describe(
          "Id of the organization that would use the slug: its former slugs are available to it",
        ),
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
      name: name.optional().describe("New name, 1 to 255 characters"),
      slug: slug.optional().describe("New slug; the former one keeps leading to the organization"),
      description: description
        .nullish()
        .describe("Free text of at most 2 000 characters; null removes it"),
      billing_email: email.nullish().describe("Email address for statements; null removes it"),
      settings: jsonObject(16 * 1024)
        .optional()
        .describe("Settings of your own, at most 16 KiB of JSON; replaces all of them"),
      max_concurrent_agents: maxConcurrentAgents
        .optional()
        .describe(
          "Maximum number of agents with a run at the same time, 1 to 10 000; needs `org:limits:write`",
        ),
      max_agent_runtime_hours: maxRuntimeHours
        .optional()
        .describe(
          "Maximum hours of runs in a calendar month (UTC), 0 to 1 000 000; needs `org:limits:write`",
        ),
      ...budgetsInput,
      allowed_models: allowedModels
        .nullish()
        .describe(
          "The models that runs may call: at most 100 names, in which `*` stands for any characters; null for all. Needs `org:limits:write`",
        ),
      max_open_child_tasks: z
        .int()
        .min(0)
        .max(1000)
        .optional()
        .describe(
          "Maximum number of open tasks that the agents of one task have created, 0 to 1 000; needs `org:limits:write`",
        ),
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
    body: z.strictObject({ user_id: id.describe("Id of the member who becomes the owner") }),
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
        .optional()
        .describe("A permission to explain, see `GET /api/v1/permissions`"),
    }),
    response: z.union([heldPermissions, permissionExplanation]),
  }),
};
