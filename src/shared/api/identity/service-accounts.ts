import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import {
  description,
  id,
  name,
  nullable,
  orgParams,
  page,
  timestamp,
} from "../../contract/fields.js";
import { apiKeyFields, gracePeriod, newKeyFields, newScopes, oneExpiry } from "./api-keys.js";

const maker = z.strictObject({
  id: id.describe("Id of the user"),
  name: z.string().describe("Name or email address of the user"),
});

export const serviceAccount = z.strictObject({
  id: id.describe("Id of the account, which is also the `user_id` of its membership"),
  organization_id: id.describe("Id of the only organization that it is a member of"),
  name: z.string().describe("Name, unique in the organization").meta({ example: "ci" }),
  description: nullable.string.describe("Free text about the account; null for none"),
  member_id: id.describe("Id of its membership"),
  role_id: id.describe("Id of its role"),
  role_name: z.string().describe("Name of its role").meta({ example: "member" }),
  is_active: z.boolean().describe("Whether its keys are accepted; false stops all of them at once"),
  active_keys: z.int().describe("Number of keys that are neither expired nor revoked"),
  last_used_at: nullable.timestamp.describe(
    "Time of the last request with one of its keys; null before the first",
  ),
  created_by: maker.describe("The member who created it"),
  created_at: timestamp.describe("Time of creation"),
  updated_at: timestamp.describe("Time of the last change of its name, description or state"),
});
export type ServiceAccount = z.output<typeof serviceAccount>;

const keyFields = {
  ...apiKeyFields,
  created_by: maker.describe("The member who created the key; it works on when the member leaves"),
};
const serviceAccountKey = z.strictObject(keyFields);
export type ServiceAccountKey = z.output<typeof serviceAccountKey>;

const createdKey = z.strictObject({
  ...keyFields,
  key: nullable.string.describe(
    "The key itself, in this response only; null in a replayed response",
  ),
});

const roleId = id.describe(
  "Id of its role, which must not exceed your own permissions and is never `owner`",
);
const newAccount = z.strictObject({
  name: name.describe("Name, 1 to 255 characters, unique in the organization"),
  description: description
    .nullish()
    .describe("Free text of at most 2 000 characters; null removes it"),
  role_id: roleId,
});
export type NewServiceAccount = z.output<typeof newAccount>;
const accountChanges = newAccount.partial().extend({
  is_active: z
    .boolean()
    .optional()
    .describe("False stops all of its keys at once, true accepts them again"),
});
export type ServiceAccountChanges = z.output<typeof accountChanges>;

const newKey = z.strictObject(newKeyFields).extend({
  scopes: newScopes.describe(
    "1 to 100 scopes within the organization and your own permissions: `org:<slug>:*` or `org:<slug>:<permission>`; by default the permissions of the account's role",
  ),
});
export type NewServiceAccountKey = z.output<typeof newKey>;

const params = orgParams.extend({ service_account_id: id.describe("Id of the service account") });
const keyParams = params.extend({ key_id: id.describe("Id of the key") });
const path = "/api/v1/organizations/{org_id}/service-accounts" as const;
const keyPath = `${path}/{service_account_id}/api-keys` as const;

export const serviceAccounts = {
  create: endpoint({
    method: "POST",
    path,
    access: "org:service-accounts:write",
    summary: "Create a service account, which acts by API keys of its own",
    status: 201,
    location: "/api/v1/organizations/{org_id}/service-accounts/{id}",
    params: orgParams,
    body: newAccount,
    response: serviceAccount,
    errors: ["privilege_escalation", "name_taken"],
  }),
  list: endpoint({
    method: "GET",
    path,
    access: "org:service-accounts:read",
    summary: "List the organization's service accounts, oldest first",
    params: orgParams,
    query: page,
    response: z.array(serviceAccount),
  }),
  get: endpoint({
    method: "GET",
    path: `${path}/{service_account_id}`,
    access: "org:service-accounts:read",
    summary: "Get a service account; its ETag guards changes",
    params,
    response: serviceAccount,
  }),
  update: endpoint({
    method: "PATCH",
    path: `${path}/{service_account_id}`,
    access: "org:service-accounts:write",
    revokes: true,
    summary: "Change, deactivate or reactivate a service account",
    params,
    body: accountChanges,
    response: serviceAccount,
    errors: ["privilege_escalation", "name_taken"],
  }),
  delete: endpoint({
    method: "DELETE",
    path: `${path}/{service_account_id}`,
    access: "org:service-accounts:write",
    revokes: true,
    summary: "Delete a service account and revoke its keys; logs keep its name",
    params,
    errors: ["privilege_escalation"],
  }),
  createKey: endpoint({
    method: "POST",
    path: keyPath,
    access: "org:service-accounts:write",
    summary: "Create a key of a service account; this is the only answer that ever holds it",
    status: 201,
    location: "/api/v1/organizations/{org_id}/service-accounts/{service_account_id}/api-keys/{id}",
    params,
    body: oneExpiry(newKey),
    response: createdKey,
    secrets: ["key"],
    errors: ["privilege_escalation", "service_account_inactive"],
  }),
  listKeys: endpoint({
    method: "GET",
    path: keyPath,
    access: "org:service-accounts:read",
    summary: "List the keys of a service account, newest first, including revoked and expired ones",
    params,
    query: page,
    response: z.array(serviceAccountKey),
  }),
  getKey: endpoint({
    method: "GET",
    path: `${keyPath}/{key_id}`,
    access: "org:service-accounts:read",
    summary: "Get a key of a service account",
    params: keyParams,
    response: serviceAccountKey,
  }),
  revokeKey: endpoint({
    method: "DELETE",
    path: `${keyPath}/{key_id}`,
    access: "org:service-accounts:write",
    revokes: true,
    summary: "Revoke a key of a service account; the next request with it is refused",
    params: keyParams,
  }),
  rotateKey: endpoint({
    method: "POST",
    path: `${keyPath}/{key_id}/rotate`,
    access: "org:service-accounts:write",
    revokes: true,
    summary:
      "Rotate a key of a service account: create a new one with the same rights; the old one stays valid for the grace period",
    status: 201,
    location: "/api/v1/organizations/{org_id}/service-accounts/{service_account_id}/api-keys/{id}",
    params: keyParams,
    body: gracePeriod,
    response: createdKey,
    secrets: ["key"],
    errors: ["privilege_escalation", "key_not_active", "service_account_inactive"],
  }),
};
