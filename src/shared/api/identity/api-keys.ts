import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import {
  description,
  id,
  instant,
  name,
  nullable,
  orgParams,
  page,
  timestamp,
} from "../../contract/fields.js";

export const apiKeyFields = {
  id: id.describe("Id of the key"),
  name: z.string().describe("Name of the key"),
  description: nullable.string.describe("Free text about the key; null for none"),
  key_prefix: z
    .string()
    .describe("Beginning of the key, which identifies it in logs: `sk_live_abc123`"),
  key_hint: z.string().describe("Beginning and end of the key: `sk_live_abc123...xyz789`"),
  is_active: z.boolean().describe("Whether requests with it are accepted now"),
  scopes: z
    .array(z.string())
    .describe(
      "What the key may do: `*:*`, `org:<slug>:*` or `org:<slug>:<permission>`. It never has more than its owner.",
    ),
  organization_id: nullable.id.describe(
    "Id of the only organization that the key acts in; null for all organizations that its scopes name",
  ),
  agent_id: nullable.id.describe("Id of the agent that acts with it; null for a user's key"),
  status: z
    .enum(["active", "expired", "revoked"])
    .describe("`active`, `expired` at `expires_at`, or `revoked`"),
  created_at: timestamp.describe("Time of creation"),
  last_used_at: nullable.timestamp.describe(
    "Time of the last request with it, at most 60 s late; null before the first",
  ),
  last_used_ip: nullable.string.describe(
    "Address of the last request with it; null before the first",
  ),
  expires_at: nullable.timestamp.describe("Time at which it expires; null for never"),
  revoked_at: nullable.timestamp.describe("Time at which it was revoked; null if it was not"),
  allowed_ips: z
    .array(z.string())
    .nullable()
    .describe("Networks in CIDR notation from which the key may be used; null for all"),
  rate_limit_per_minute: nullable.integer.describe(
    "Maximum requests per minute, more are 429; null for no limit",
  ),
  is_stale: z.boolean().describe("Whether it is active but was not used for 90 days"),
  shut_out_of: z.array(z.string()).describe("Slugs of organizations that block the key"),
  replaced_by: nullable.id.describe(
    "Id of the key that replaced it in a rotation; null if it was not rotated",
  ),
};
export const apiKey = z.strictObject(apiKeyFields);
export type ApiKey = z.output<typeof apiKey>;

const apiKeyWithSecret = z.strictObject({
  ...apiKeyFields,
  key: nullable.string.describe(
    "The key itself, in this response only; null in a replayed response",
  ),
});

const organizationKey = z.strictObject({
  ...apiKeyFields,
  owner: z
    .strictObject({
      kind: z.enum(["user", "service_account"]).describe("Whether a user or a service account"),
      id: id.describe("Id of the user or service account"),
      email: nullable.string.describe("Email address; null for a service account"),
      full_name: nullable.string.describe(
        "Full name of the user, null if not given; or name of the service account",
      ),
    })
    .describe("The key's user or service account; for an agent's key, the user who created it"),
  agent_name: nullable.string.describe(
    "Name of the agent that acts with it; null for a user's key",
  ),
  is_only_here: z
    .boolean()
    .describe(
      "Whether the key can act in no other organization, so that blocking it here revokes it",
    ),
});
export type OrganizationKey = z.output<typeof organizationKey>;

const keyUsage = z.strictObject({
  since: z.iso.date().describe("First day of `requests`, in UTC"),
  requests: z
    .array(
      z.strictObject({
        day: z.iso.date().describe("Day in UTC"),
        endpoint: z
          .string()
          .describe("Method and path of the call, such as `GET /api/v1/projects`"),
        status: z.int().describe("HTTP status of the responses"),
        count: z.int().describe("Number of requests"),
      }),
    )
    .describe("Requests by day, call and status"),
  permissions: z
    .array(
      z.strictObject({
        organization_id: nullable.id.describe("Id of the organization; null for all of them"),
        organization_slug: nullable.string.describe(
          "Current slug of the organization; null for all of them",
        ),
        permission: z.string().describe("Name of the permission"),
        uses: z.int().describe("Number of requests that needed it"),
      }),
    )
    .describe("Permissions used in the last 30 days; without an organization: in all of them"),
  suggested_scopes: z
    .array(z.string())
    .nullable()
    .describe(
      "A smaller set of scopes that would have sufficed, for `POST …/narrow`; null if there is none",
    ),
});
export type KeyUsage = z.output<typeof keyUsage>;

const verification = z.strictObject({
  valid: z.boolean().describe("Whether the key is valid and has the permission"),
  code: z
    .enum([
      "valid",
      "not_found",
      "expired",
      "revoked",
      "insufficient_permission",
      "ip_not_allowed",
      "rate_limited",
    ])
    .describe("`valid`, or why not"),
  key_id: nullable.id.describe("Id of the key; null if it is not found"),
  user_id: nullable.id.describe("Id of the key's owner; null if it is not found"),
  agent_id: nullable.id.describe("Id of the agent that acts with it; null for a user's key"),
  permissions: z
    .array(z.string())
    .describe("Patterns of permissions that the key has in the organization"),
});
export type Verification = z.output<typeof verification>;

const keyParams = z.strictObject({ key_id: id.describe("Id of the key") });
const orgKeyParams = orgParams.extend({ key_id: id.describe("Id of the key") });

const allowedIps = z
  .array(z.string().max(64))
  .min(1, "name at least one network, or use null to allow all")
  .max(50, "at most 50 networks");
const rateLimitPerMinute = z.int().min(1).max(1_000_000);
/** Any text: the reason why it is not a valid key is not disclosed. */
const keyText = z.string().min(1).max(1024);

/** The scopes of a new key. */
export const newScopes = z
  .array(z.string().max(200))
  .min(1, "name at least one scope")
  .max(100, "at most 100 scopes")
  .optional();

/** The rights of a new key besides its scopes. */
export const newKeyFields = {
  name: name.describe("Name of the key, 1 to 255 characters"),
  description: description.nullish().describe("Free text of at most 2 000 characters"),
  expires_in_days: z
    .int()
    .min(1)
    .max(3650)
    .nullish()
    .describe("Days until the key expires, 1 to 3 650, instead of `expires_at`; by default never"),
  expires_at: instant
    .nullish()
    .describe("Time at which the key expires, instead of `expires_in_days`; by default never"),
  allowed_ips: allowedIps
    .nullish()
    .describe("1 to 50 networks in CIDR notation from which the key may be used; by default all"),
  rate_limit_per_minute: rateLimitPerMinute
    .nullish()
    .describe("Maximum requests per minute, 1 to 1 000 000; by default no limit"),
};

/** Rejects two expiries of a key. */
export function oneExpiry<
  Body extends z.ZodType<{
    expires_in_days?: number | null | undefined;
    expires_at?: string | null | undefined;
  }>,
>(body: Body): Body {
  return body.refine((given) => given.expires_in_days == null || given.expires_at == null, {
    message: "set expires_in_days or expires_at, not both",
    path: ["expires_at"],
  });
}

export const gracePeriod = z
  .strictObject({
    grace_period_seconds: z
      .int()
      .min(0)
      .max(86_400)
      .default(0)
      .describe("Seconds for which the old key stays valid, 0 to 86 400"),
  })
  .optional();

export const apiKeys = {
  create: endpoint({
    method: "POST",
    path: "/api/v1/auth/api-keys",
    access: "signed-in",
    summary: "Create a key; this is the only answer that ever holds it",
    status: 201,
    location: "/api/v1/auth/api-keys/{id}",
    body: oneExpiry(
      z.strictObject({
        name: newKeyFields.name,
        description: newKeyFields.description,
        scopes: newScopes.describe(
          "1 to 100 scopes: `*:*`, `org:<slug>:*` or `org:<slug>:<permission>`; by default `org:<slug>:*` with `organization_id`, else `*:*`",
        ),
        organization_id: id.nullish().describe("Id of the organization of the default scope"),
        expires_in_days: newKeyFields.expires_in_days,
        expires_at: newKeyFields.expires_at,
        agent_id: id.nullish().describe("Id of an agent that is to act with the key"),
        allowed_ips: newKeyFields.allowed_ips,
        rate_limit_per_minute: newKeyFields.rate_limit_per_minute,
      }),
    ),
    response: apiKeyWithSecret,
    secrets: ["key"],
    errors: ["insufficient_permission", "privilege_escalation"],
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
      name: name.optional().describe("New name, 1 to 255 characters"),
      description: description
        .nullish()
        .describe("Free text of at most 2 000 characters; null removes it"),
      allowed_ips: allowedIps
        .nullish()
        .describe("1 to 50 networks in CIDR notation; null allows all"),
      rate_limit_per_minute: rateLimitPerMinute
        .nullish()
        .describe("Maximum requests per minute, 1 to 1 000 000; null for no limit"),
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
    body: gracePeriod,
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
      days: z.coerce
        .number()
        .int()
        .min(1)
        .max(90)
        .default(30)
        .describe("Days to count back from today, 1 to 90"),
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
        .max(500, "at most 500 scopes")
        .describe("1 to 500 scopes, each within the present ones"),
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
      key: keyText.describe("The key to verify"),
      permission: z
        .string()
        .max(100)
        .optional()
        .describe("A permission that the key must have, in `organization_id` if given"),
      organization_id: id.optional().describe("Id of the organization in which the key is used"),
      ip: z
        .union([z.ipv4(), z.ipv6()], "must be an IP address")
        .optional()
        .describe("Address from which the key is used; by default that of this request"),
    }),
    response: verification,
  }),
  revokeLeaked: endpoint({
    method: "POST",
    path: "/api/v1/auth/api-keys/revoke-leaked",
    access: "public",
    summary: "Revoke a leaked key; the response does not disclose whether it existed",
    body: z.strictObject({ key: keyText.describe("The leaked key") }),
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
