import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { description, id, instant, name, page, timestamp } from "../../contract/fields.js";

const apiKeyFields = {
  id,
  name: z.string(),
  description: z.string().nullable(),
  key_prefix: z.string(),
  key_hint: z.string(),
  is_active: z.boolean(),
  scopes: z.array(z.string()),
  organization_id: id.nullable(),
  agent_id: id.nullable(),
  status: z.enum(["active", "expired", "revoked"]),
  created_at: timestamp,
  last_used_at: timestamp.nullable(),
  last_used_ip: z.string().nullable(),
  expires_at: timestamp.nullable(),
  revoked_at: timestamp.nullable(),
  /** Networks in CIDR notation from which the key may be used; null for any. */
  allowed_ips: z.array(z.string()).nullable(),
  /** Null for no limit. */
  rate_limit_per_minute: z.number().int().nullable(),
  /** Active, and unused for 90 days. */
  is_stale: z.boolean(),
  /** Slugs of organizations that block the key. */
  shut_out_of: z.array(z.string()),
  /** The key that replaced it in a rotation. */
  replaced_by: id.nullable(),
};
export const apiKey = z.strictObject(apiKeyFields);
export type ApiKey = z.output<typeof apiKey>;

const apiKeyWithSecret = z.strictObject({ ...apiKeyFields, key: z.string().nullable() });

const organizationKey = z.strictObject({
  ...apiKeyFields,
  /** The key's user; for an agent's key, the user who created it. */
  owner: z.strictObject({ id, email: z.string(), full_name: z.string().nullable() }),
  agent_name: z.string().nullable(),
  /** Whether the key can act in no other organization, so that blocking it here revokes it. */
  is_only_here: z.boolean(),
});
export type OrganizationKey = z.output<typeof organizationKey>;

const keyUsage = z.strictObject({
  since: z.iso.date(),
  requests: z.array(
    z.strictObject({
      day: z.iso.date(),
      endpoint: z.string(),
      status: z.number().int(),
      count: z.number().int(),
    }),
  ),
  /** Permissions used in the last 30 days; without an organization: in all of them. */
  permissions: z.array(
    z.strictObject({
      organization_id: id.nullable(),
      organization_slug: z.string().nullable(),
      permission: z.string(),
      uses: z.number().int(),
    }),
  ),
  /** A smaller set of scopes that would have sufficed; null if there is none. */
  suggested_scopes: z.array(z.string()).nullable(),
});
export type KeyUsage = z.output<typeof keyUsage>;

const verification = z.strictObject({
  valid: z.boolean(),
  code: z.enum([
    "valid",
    "not_found",
    "expired",
    "revoked",
    "insufficient_permission",
    "ip_not_allowed",
    "rate_limited",
  ]),
  key_id: id.nullable(),
  user_id: id.nullable(),
  agent_id: id.nullable(),
  permissions: z.array(z.string()),
});
export type Verification = z.output<typeof verification>;

const keyParams = z.strictObject({ key_id: id });
const orgParams = z.strictObject({ org_id: z.string().min(1).max(63) });
const orgKeyParams = orgParams.extend({ key_id: id });

const allowedIps = z
  .array(z.string().max(64))
  .min(1, "name at least one network, or use null to allow all")
  .max(50, "at most 50 networks");
const rateLimitPerMinute = z.number().int().min(1).max(1_000_000);
/** Any text: the reason why it is not a valid key is not disclosed. */
const keyText = z.string().min(1).max(1024);

export const apiKeys = {
  create: endpoint({
    method: "POST",
    path: "/api/v1/auth/api-keys",
    access: "signed-in",
    summary: "Create a key; this is the only answer that ever holds it",
    status: 201,
    location: "/api/v1/auth/api-keys/{id}",
    body: z
      .strictObject({
        name,
        description: description.nullish(),
        scopes: z
          .array(z.string().max(200))
          .min(1, "name at least one scope")
          .max(100, "at most 100 scopes")
          .optional(),
        organization_id: id.nullish(),
        expires_in_days: z.number().int().min(1).max(3650).nullish(),
        expires_at: instant.nullish(),
        agent_id: id.nullish(),
        allowed_ips: allowedIps.nullish(),
        rate_limit_per_minute: rateLimitPerMinute.nullish(),
      })
      .refine((body) => body.expires_in_days == null || body.expires_at == null, {
        message: "set expires_in_days or expires_at, not both",
        path: ["expires_at"],
      }),
    response: apiKeyWithSecret,
    secrets: ["key"],
    errors: ["insufficient_permission", "privilege_escalation", "organization_archived"],
  }),
  list: endpoint({
    method: "GET",
    path: "/api/v1/auth/api-keys",
    access: "signed-in",
    summary: "List your API keys, including revoked and expired ones",
    query: page,
    response: z.array(apiKey),
    errors: ["insufficient_permission"],
  }),
  get: endpoint({
    method: "GET",
    path: "/api/v1/auth/api-keys/{key_id}",
    access: "signed-in",
    summary: "Get one of your API keys",
    params: keyParams,
    response: apiKey,
    errors: ["insufficient_permission"],
  }),
  update: endpoint({
    method: "PATCH",
    path: "/api/v1/auth/api-keys/{key_id}",
    access: "signed-in",
    revokes: true,
    summary: "Change a key's name, description, networks or rate limit",
    params: keyParams,
    body: z.strictObject({
      name: name.optional(),
      description: description.nullable().optional(),
      allowed_ips: allowedIps.nullable().optional(),
      rate_limit_per_minute: rateLimitPerMinute.nullable().optional(),
    }),
    response: apiKey,
    errors: ["insufficient_permission", "privilege_escalation"],
  }),
  revoke: endpoint({
    method: "DELETE",
    path: "/api/v1/auth/api-keys/{key_id}",
    access: "signed-in",
    revokes: true,
    summary: "Revoke a key; the next request with it is refused",
    params: keyParams,
    errors: ["insufficient_permission"],
  }),
  rotate: endpoint({
    method: "POST",
    path: "/api/v1/auth/api-keys/{key_id}/rotate",
    access: "signed-in",
    revokes: true,
    summary:
      "Rotate a key: create a new one with the same rights; the old one stays valid for the grace period",
    status: 201,
    location: "/api/v1/auth/api-keys/{id}",
    params: keyParams,
    body: z
      .strictObject({
        grace_period_seconds: z.number().int().min(0).max(86_400).default(0),
      })
      .optional(),
    response: apiKeyWithSecret,
    secrets: ["key"],
    errors: [
      "insufficient_permission",
      "privilege_escalation",
      "key_not_active",
      "organization_archived",
    ],
  }),
  usage: endpoint({
    method: "GET",
    path: "/api/v1/auth/api-keys/{key_id}/usage",
    access: "signed-in",
    summary:
      "Get a key's requests by day, endpoint and status, its used permissions, and a smaller set of scopes",
    params: keyParams,
    query: z.strictObject({
      days: z.coerce.number().int().min(1).max(90).default(30),
    }),
    response: keyUsage,
    errors: ["insufficient_permission"],
  }),
  narrow: endpoint({
    method: "POST",
    path: "/api/v1/auth/api-keys/{key_id}/narrow",
    access: "signed-in",
    revokes: true,
    summary: "Reduce a key's scopes; they cannot be extended",
    status: 200,
    params: keyParams,
    body: z.strictObject({
      scopes: z
        .array(z.string().max(200))
        .min(1, "name at least one scope")
        .max(500, "at most 500 scopes"),
    }),
    response: apiKey,
    errors: ["insufficient_permission", "privilege_escalation", "key_not_active"],
  }),
  verify: endpoint({
    method: "POST",
    path: "/api/v1/auth/api-keys/verify",
    access: "signed-in",
    safe: true,
    summary:
      "Verify a key on behalf of another service; `ip` is the address of use, by default the caller's",
    status: 200,
    body: z.strictObject({
      key: keyText,
      permission: z.string().max(100).optional(),
      organization_id: id.optional(),
      ip: z.union([z.ipv4(), z.ipv6()], "must be an IP address").optional(),
    }),
    response: verification,
    errors: ["insufficient_permission"],
  }),
  revokeLeaked: endpoint({
    method: "POST",
    path: "/api/v1/auth/api-keys/revoke-leaked",
    access: "public",
    summary: "Revoke a leaked key; the response does not disclose whether it existed",
    body: z.strictObject({ key: keyText }),
    errors: ["rate_limited"],
  }),
  listOfOrganization: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/api-keys",
    access: "org:apikeys:read",
    summary:
      "List the keys that are scoped to the organization and can act in it; members' full-access keys are not listed",
    params: orgParams,
    query: page,
    response: z.array(organizationKey),
  }),
  shutOut: endpoint({
    method: "DELETE",
    path: "/api/v1/organizations/{org_id}/api-keys/{key_id}",
    access: "org:apikeys:revoke",
    revokes: true,
    summary: "Revoke a key of this organization alone, and shut any other out of it",
    params: orgKeyParams,
  }),
};
