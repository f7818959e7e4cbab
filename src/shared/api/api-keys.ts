import { z } from "zod";
import { endpoint } from "./endpoint.js";
import { description, id, name, page, timestamp } from "./fields.js";

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
  allowed_ips: z.array(z.string()).nullable(),
};
export const apiKey = z.strictObject(apiKeyFields);
export type ApiKey = z.output<typeof apiKey>;

const keyParams = z.strictObject({ key_id: id });

export const apiKeys = {
  create: endpoint({
    method: "POST",
    path: "/api/v1/auth/api-keys",
    access: "signed-in",
    summary: "Create a key; this is the only answer that ever holds it",
    status: 201,
    body: z
      .strictObject({
        name,
        description: description.nullish(),
        scopes: z
          .array(z.string("must be a text").max(200))
          .min(1, "name at least one scope")
          .max(100, "at most 100 scopes")
          .optional(),
        organization_id: id.nullish(),
        expires_in_days: z
          .number("must be a number")
          .int("must be a whole number")
          .min(1, "must be at least 1")
          .max(3650, "must be at most 3650")
          .nullish(),
        expires_at: z.iso.datetime({ offset: true, message: "must be an RFC 3339 time" }).nullish(),
      })
      .refine((body) => body.expires_in_days == null || body.expires_at == null, {
        message: "give expires_in_days or expires_at, not both",
        path: ["expires_at"],
      }),
    response: z.strictObject({ ...apiKeyFields, key: z.string().nullable() }),
  }),
  list: endpoint({
    method: "GET",
    path: "/api/v1/auth/api-keys",
    access: "signed-in",
    summary: "One's own keys, revoked and expired ones too",
    query: page,
    response: z.array(apiKey),
  }),
  get: endpoint({
    method: "GET",
    path: "/api/v1/auth/api-keys/{key_id}",
    access: "signed-in",
    summary: "One of one's own keys",
    params: keyParams,
    response: apiKey,
  }),
  update: endpoint({
    method: "PATCH",
    path: "/api/v1/auth/api-keys/{key_id}",
    access: "signed-in",
    summary: "Rename a key or change its description",
    params: keyParams,
    body: z.strictObject({ name: name.optional(), description: description.nullable().optional() }),
    response: apiKey,
  }),
  revoke: endpoint({
    method: "DELETE",
    path: "/api/v1/auth/api-keys/{key_id}",
    access: "signed-in",
    revokes: true,
    summary: "Revoke a key; the next request with it is refused",
    params: keyParams,
  }),
};
