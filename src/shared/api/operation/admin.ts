import { z } from "zod";
import type { ErrorCode } from "../../errors.js";
import { installationActionNames } from "../../organization/installation-audit.js";
import { auditEvent } from "../organization/audit.js";
import { user } from "../identity/auth.js";
import { endpoint } from "../../contract/endpoint.js";
import { boolean, id, nullable, page, timestamp } from "../../contract/fields.js";

/** A user as seen by super admins. */
export const adminUser = user.omit({ attributes: true }).extend({
  deleted_at: nullable.timestamp.describe(
    "Time at which all personal data was removed; null for a user who has not been deleted",
  ),
  organizations: z.int().describe("Number of organizations that the user is a member of"),
  sessions: z.int().describe("Active sessions and API keys"),
  api_keys: z.int().describe("Number of API keys that are neither revoked nor expired"),
  has_second_factor: z
    .boolean()
    .describe("Whether the user signs in with an authenticator app or has a passkey"),
});
export type AdminUser = z.output<typeof adminUser>;

export const adminUserDetail = adminUser.extend({
  memberships: z
    .array(
      z.strictObject({
        organization_id: id.describe("Id of the organization"),
        organization_name: z.string().describe("Name of the organization"),
        organization_slug: z.string().describe("Current slug of the organization"),
        role_name: z.string().describe("Name of the user's role in it"),
        is_last_owner: z
          .boolean()
          .describe(
            "The user is the only owner of the organization and therefore cannot be deleted",
          ),
      }),
    )
    .describe("The user's memberships, archived organizations included"),
});
export type AdminUserDetail = z.output<typeof adminUserDetail>;

export const passwordLink = z.strictObject({
  reset_url: z
    .string()
    .describe("Link to a page that sets a new password. Works once, until `expires_at`."),
  expires_at: timestamp.describe("Time at which the link stops working"),
});
export type PasswordLink = z.output<typeof passwordLink>;

/** All data that the installation holds about a user, without credentials. */
export const userExport = z.strictObject({
  exported_at: timestamp.describe("Time at which the data was read"),
  user: user
    .extend({ updated_at: timestamp.describe("Time of the last change of the account") })
    .describe("The account"),
  sign_in_methods: z
    .array(z.record(z.string(), z.unknown()))
    .describe("Passwords, passkeys and linked identities, without their secrets"),
  sessions: z
    .array(z.record(z.string(), z.unknown()))
    .describe("Sessions with their addresses and programs"),
  api_keys: z.array(z.record(z.string(), z.unknown())).describe("API keys without their secrets"),
  memberships: z
    .array(z.record(z.string(), z.unknown()))
    .describe("Memberships with their organizations and roles"),
  invitations: z
    .array(z.record(z.string(), z.unknown()))
    .describe("Invitations sent by the user or to the user's address"),
  notification_choices: z
    .array(z.record(z.string(), z.unknown()))
    .describe("What the user is notified of, where it differs from the defaults"),
  notifications: z
    .array(z.record(z.string(), z.unknown()))
    .describe("Notifications of the days of `OMOI_DELIVERY_DAYS`, and how each was sent"),
  audit_events: z
    .array(z.record(z.string(), z.unknown()))
    .describe("Audit events of which the user is the actor or the target"),
});
export type UserExport = z.output<typeof userExport>;

export const installationEvent = z.strictObject({
  id: id.describe("Id of the event"),
  sequence: z.int().describe("Counts up from 1 without gaps"),
  at: timestamp.describe("Time of the action"),
  actor: z
    .strictObject({
      type: z
        .enum(["operator", "user"])
        .describe("`operator`: through `omoi admin`; `user`: through the API."),
      id: nullable.id.describe("Id of the user; null for an operator at the command line"),
      name: z
        .string()
        .describe(
          "The user's email address, or the operator's account on the machine, at that time",
        ),
    })
    .describe("Who acted"),
  action: z.enum(installationActionNames).describe("The action, in the form `resource.verb`"),
  target: z
    .strictObject({
      type: z
        .enum(["user", "node", "runner", "project"])
        .describe("`user`, `node` for one of the servers, `runner`, or `project`"),
      id: id.describe("Id of the affected user, server, runner or project"),
      name: z
        .string()
        .describe(
          "Email address of the affected user, or name of the server, runner or project, at that time",
        ),
    })
    .nullable()
    .describe(
      "The affected user, server, runner or project; null for an action on the whole installation",
    ),
  ip: nullable.string.describe("Address that the request came from; null for the command line"),
  request_id: nullable.string.describe("The request's `X-Request-Id`; null for the command line"),
  changes: auditEvent.shape.changes,
  ...auditEvent.pick({ previous_hash: true, hash: true }).shape,
});
export type InstallationEvent = z.output<typeof installationEvent>;

const installationUsage = z.strictObject({
  period_start: timestamp.describe("Start of the current calendar month in UTC"),
  period_end: timestamp.describe("Start of the next calendar month in UTC"),
  users: z
    .strictObject({
      total: z.int().describe("All accounts, deactivated ones included"),
      active: z.int().describe("Accounts that may sign in"),
      super_admins: z.int().describe("Accounts that may use `/api/v1/admin`"),
    })
    .describe("Numbers of accounts"),
  organizations: z.int().describe("Number of organizations, archived ones included"),
  projects: z.int().describe("Number of projects"),
  agents: z.int().describe("Number of agents that are not terminated"),
  running_agents: z.int().describe("Number of agents with a run in progress"),
  runtime_hours: z
    .number()
    .describe("Hours of all runs since `period_start`, rounded to four decimals"),
  disk_bytes: z.number().describe("Bytes of repositories, workspaces and layers, as last measured"),
});
export type InstallationUsage = z.output<typeof installationUsage>;

const organizationUsage = z.strictObject({
  id: id.describe("Id of the organization"),
  name: z.string().describe("Name of the organization"),
  slug: z.string().describe("Current slug of the organization"),
  is_active: z.boolean().describe("False for an archived organization"),
  members: z.int().describe("Number of members, users and agents"),
  projects: z.int().describe("Number of projects"),
  agents: z.int().describe("Number of agents that are not terminated"),
  running_agents: z.int().describe("Number of agents with a run in progress"),
  runtime_hours: z
    .number()
    .describe("Hours of runs in the current calendar month (UTC), rounded to four decimals"),
  disk_bytes: z
    .number()
    .describe("Bytes of its repositories, workspaces and layers, as last measured"),
});
export type OrganizationUsage = z.output<typeof organizationUsage>;

const userParams = z.strictObject({ user_id: id.describe("Id of the user") });
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
      search: z
        .string()
        .trim()
        .max(255)
        .optional()
        .describe(
          "Only users whose email address or name contains this text; upper and lower case are the same",
        ),
      is_active: boolean
        .optional()
        .describe("Only active users (`true`) or only deactivated ones (`false`)"),
      is_super_admin: boolean
        .optional()
        .describe("Only super admins (`true`) or only others (`false`)"),
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
