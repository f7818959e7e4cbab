import { z } from "zod";
import type { ErrorCode } from "../errors.js";
import { installationActionNames } from "../installation-audit.js";
import { auditEvent } from "./organizations/audit.js";
import { user } from "./identity/auth.js";
import { endpoint } from "../contract/endpoint.js";
import { boolean, id, page, timestamp } from "../contract/fields.js";

/** A user as seen by super admins. */
export const adminUser = user.omit({ attributes: true }).extend({
  /** Set once all personal data has been removed. */
  deleted_at: timestamp.nullable(),
  organizations: z.int(),
  /** Active sessions and API keys. */
  sessions: z.int(),
  api_keys: z.int(),
  /** An authenticator app or a passkey. */
  has_second_factor: z.boolean(),
});
export type AdminUser = z.output<typeof adminUser>;

export const adminUserDetail = adminUser.extend({
  memberships: z.array(
    z.strictObject({
      organization_id: id,
      organization_name: z.string(),
      organization_slug: z.string(),
      role_name: z.string(),
      /** The user is the only owner of the organization and therefore cannot be deleted. */
      is_last_owner: z.boolean(),
    }),
  ),
});
export type AdminUserDetail = z.output<typeof adminUserDetail>;

export const passwordLink = z.strictObject({
  /** Single use. */
  reset_url: z.string(),
  expires_at: timestamp,
});
export type PasswordLink = z.output<typeof passwordLink>;

/** All data that the installation holds about a user, without credentials. */
export const userExport = z.strictObject({
  exported_at: timestamp,
  user: user.extend({ updated_at: timestamp }),
  sign_in_methods: z.array(z.record(z.string(), z.unknown())),
  sessions: z.array(z.record(z.string(), z.unknown())),
  api_keys: z.array(z.record(z.string(), z.unknown())),
  memberships: z.array(z.record(z.string(), z.unknown())),
  invitations: z.array(z.record(z.string(), z.unknown())),
  audit_events: z.array(z.record(z.string(), z.unknown())),
});
export type UserExport = z.output<typeof userExport>;

export const installationEvent = z.strictObject({
  id,
  /** Counts up from 1 without gaps. */
  sequence: z.int(),
  at: timestamp,
  actor: z.strictObject({
    /** `operator`: through `omoi admin`; `user`: through the API. */
    type: z.enum(["operator", "user"]),
    id: id.nullable(),
    name: z.string(),
  }),
  action: z.enum(installationActionNames),
  /** The affected user; null for an action on the whole installation. */
  target: z.strictObject({ type: z.literal("user"), id, name: z.string() }).nullable(),
  ip: z.string().nullable(),
  request_id: z.string().nullable(),
  changes: auditEvent.shape.changes,
  previous_hash: z.string(),
  hash: z.string(),
});
export type InstallationEvent = z.output<typeof installationEvent>;

const installationUsage = z.strictObject({
  period_start: timestamp,
  period_end: timestamp,
  users: z.strictObject({ total: z.int(), active: z.int(), super_admins: z.int() }),
  organizations: z.int(),
  projects: z.int(),
  agents: z.int(),
  running_agents: z.int(),
  runtime_hours: z.number(),
  /** Repositories, workspaces and layers, as last measured. */
  disk_bytes: z.number(),
});
export type InstallationUsage = z.output<typeof installationUsage>;

const organizationUsage = z.strictObject({
  id,
  name: z.string(),
  slug: z.string(),
  is_active: z.boolean(),
  members: z.int(),
  projects: z.int(),
  agents: z.int(),
  running_agents: z.int(),
  /** In the current month. */
  runtime_hours: z.number(),
  disk_bytes: z.number(),
});
export type OrganizationUsage = z.output<typeof organizationUsage>;

const userParams = z.strictObject({ user_id: id });
const access = "super-admin";

const userOperation = (name: string, summary: string, errors: readonly ErrorCode[] = []) =>
  endpoint({
    method: "POST",
    path: `/api/v1/admin/users/{user_id}/${name}`,
    access,
    revokes: true,
    summary,
    params: userParams,
    response: adminUserDetail,
    errors,
  });

/** Super admins' endpoints for the whole installation; for all others they answer 404. */
export const admin = {
  users: endpoint({
    method: "GET",
    path: "/api/v1/admin/users",
    access,
    summary: "List all users of the installation, newest first",
    query: page.extend({
      /** Part of the email address or name. */
      search: z.string().trim().max(255).optional(),
      is_active: boolean.optional(),
      is_super_admin: boolean.optional(),
    }),
    response: z.array(adminUser),
  }),
  user: endpoint({
    method: "GET",
    path: "/api/v1/admin/users/{user_id}",
    access,
    summary: "Get a user with their organizations",
    params: userParams,
    response: adminUserDetail,
  }),
  disable: userOperation("disable", "Disable a user: ends sessions and suspends API keys", [
    "last_super_admin",
  ]),
  enable: userOperation("enable", "Enable a disabled user"),
  removeSecondFactor: userOperation(
    "remove-second-factor",
    "Remove a user's authenticator app, recovery codes and passkeys",
  ),
  signOut: userOperation("sign-out", "End all sessions of a user"),
  promote: userOperation("promote", "Make a user a super admin", ["user_disabled"]),
  demote: userOperation(
    "demote",
    "Remove super admin rights from a user; the last super admin stays",
    ["last_super_admin"],
  ),
  resetPassword: endpoint({
    method: "POST",
    path: "/api/v1/admin/users/{user_id}/reset-password",
    access,
    summary: "Create a single-use password reset link for a user",
    status: 201,
    location: "/api/v1/admin/users/{user_id}",
    params: userParams,
    response: passwordLink,
    secrets: ["reset_url"],
    errors: ["user_disabled"],
  }),
  export: endpoint({
    method: "POST",
    path: "/api/v1/admin/users/{user_id}/export",
    access,
    summary: "Export all data about a user",
    params: userParams,
    response: userExport,
  }),
  delete: endpoint({
    method: "DELETE",
    path: "/api/v1/admin/users/{user_id}",
    access,
    revokes: true,
    summary:
      'Delete a user: audit and statements stay under "Deleted user"; refused for the last owner of an organization',
    params: userParams,
    errors: ["last_owner", "last_super_admin"],
  }),
  usage: endpoint({
    method: "GET",
    path: "/api/v1/admin/usage",
    access,
    summary: "Get the usage of the whole installation in the current month",
    response: installationUsage,
  }),
  organizations: endpoint({
    method: "GET",
    path: "/api/v1/admin/organizations",
    access,
    summary: "List the usage of each organization in the current month, newest first",
    query: page,
    response: z.array(organizationUsage),
  }),
  auditEvents: endpoint({
    method: "GET",
    path: "/api/v1/admin/audit-events",
    access,
    summary: "List actions of operators and super admins, newest first",
    query: page,
    response: z.array(installationEvent),
  }),
};
