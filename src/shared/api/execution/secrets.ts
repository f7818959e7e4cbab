import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { id, nullable, orgParams, page, projectParams, timestamp } from "../../contract/fields.js";
import { baseUrlProblem, providerProblem } from "../../execution/models/model-provider.js";

/**
 * `variable`: an environment variable of runs. `model`: the key of a model provider, which never enters
 * a run; the server adds it to the calls of runs to `OMOI_URL/models/<provider>/v1/…`.
 */
const kind = z.enum(["variable", "model"], "must be variable or model");

/** A secret of an organization or a project. Its value is never returned. */
export const secret = z.strictObject({
  name: z.string().describe("Name of the secret, and of the variable in runs"),
  kind: kind.describe(
    "`variable` is in the environment of runs; `model` is the key of a model provider, which only the server uses",
  ),
  provider: nullable.string.describe(
    "Provider of a model secret: `anthropic`, `openai` or another name; null for a variable",
  ),
  base_url: nullable.string.describe(
    "The address of the provider's API, with its version; null for the provider's own",
  ),
  created_at: timestamp.describe("Time of creation"),
  updated_at: timestamp.describe("When the value was last set"),
  set_by: z
    .strictObject({
      id: id.describe("Id of the user"),
      name: z.string().describe("Name or email address of the user"),
    })
    .describe("The user who last set the value; null if the account is deleted"),
});
export type Secret = z.output<typeof secret>;

/** Maximum size of a value, in bytes of UTF-8. */
const MAX_VALUE_BYTES = 64 * 1024;

const newValue = z.strictObject({
  value: z
    .string("must be a text")
    .min(1, "must not be empty")
    .refine(
      (text) => new TextEncoder().encode(text).length <= MAX_VALUE_BYTES,
      "must be at most 64 KiB of UTF-8",
    )
    .describe("The value, which is never shown again"),
  kind: kind.describe(
    "`variable` is in the environment of runs; `model` is the key of a model provider, which only the server uses",
  ),
  provider: z
    .string()
    .refine((text) => providerProblem(text) === null, {
      error: ({ input }) => providerProblem(String(input)) ?? "must be a name",
    })
    .optional()
    .describe(
      "Provider of a model secret: `anthropic`, `openai` or another name, which then needs `base_url`",
    ),
  base_url: z
    .string()
    .refine((text) => baseUrlProblem(text) === null, {
      error: ({ input }) => baseUrlProblem(String(input)) ?? "must be an address",
    })
    .optional()
    .describe(
      "Address of the provider's API, with its version, such as `https://models.example.com/v1`; by default the provider's own",
    ),
});
export type NewSecret = z.output<typeof newValue>;

/** A wrong name is answered by 422 when a secret is set, and by 404 otherwise. */
const name = z.string().min(1).max(255);
const secretName = { name: name.describe("Name of the secret") };
const newSecretName = {
  name: name.describe(
    "Name of the secret: letters, digits and `_`, which is the name of the variable in runs",
  ),
};

export const organizationSecrets = {
  list: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/secrets",
    access: "org:secrets:read",
    summary: "List the organization's secrets by name, without their values",
    params: orgParams,
    query: page,
    response: z.array(secret),
  }),
  get: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/secrets/{name}",
    access: "org:secrets:read",
    summary: "Get a secret of the organization, without its value",
    params: orgParams.extend(secretName),
    response: secret,
  }),
  set: endpoint({
    method: "PUT",
    path: "/api/v1/organizations/{org_id}/secrets/{name}",
    access: "org:secrets:write",
    summary:
      "Create or replace a secret: a variable of the runs of all projects, or the key of a model provider",
    params: orgParams.extend(newSecretName),
    body: newValue,
    response: secret,
    errors: ["too_many_secrets", "provider_in_use"],
  }),
  delete: endpoint({
    method: "DELETE",
    path: "/api/v1/organizations/{org_id}/secrets/{name}",
    access: "org:secrets:write",
    summary: "Delete a secret of the organization; running commands keep a variable",
    params: orgParams.extend(secretName),
  }),
};

export const projectSecrets = {
  list: endpoint({
    method: "GET",
    path: "/api/v1/projects/{project_id}/secrets",
    access: "org:secrets:read",
    summary: "List the project's own secrets by name, without their values",
    params: projectParams,
    query: page,
    response: z.array(secret),
  }),
  get: endpoint({
    method: "GET",
    path: "/api/v1/projects/{project_id}/secrets/{name}",
    access: "org:secrets:read",
    summary: "Get a secret of the project, without its value",
    params: projectParams.extend(secretName),
    response: secret,
  }),
  set: endpoint({
    method: "PUT",
    path: "/api/v1/projects/{project_id}/secrets/{name}",
    access: "org:secrets:write",
    summary:
      "Create or replace a secret: a variable of the project's runs, instead of the organization's of the same name",
    params: projectParams.extend(newSecretName),
    body: newValue,
    response: secret,
    errors: ["too_many_secrets", "provider_in_use"],
  }),
  delete: endpoint({
    method: "DELETE",
    path: "/api/v1/projects/{project_id}/secrets/{name}",
    access: "org:secrets:write",
    summary: "Delete a secret of the project; running commands keep a variable",
    params: projectParams.extend(secretName),
  }),
};
