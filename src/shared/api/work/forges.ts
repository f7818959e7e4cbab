import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { forgeErrors } from "../code/projects.js";
import { boolean, id, name, nullable, orgParams, page, timestamp } from "../../contract/fields.js";

export const forgeKinds = ["github", "gitlab", "gitea"] as const;
export type ForgeKind = (typeof forgeKinds)[number];
export const forgeDeliveryModes = ["webhook", "polling"] as const;
export const forgeStatuses = ["ok", "unreachable", "unauthorized", "suspended"] as const;

/** A connection to a forge. Its credential is never returned. */
export const forge = z.strictObject({
  id: id.describe("Id of the connection"),
  kind: z
    .enum(forgeKinds)
    .describe("`github` with GitHub Enterprise Server, `gitlab`, or `gitea` with Forgejo"),
  name: z.string().describe("Name of the connection, for people"),
  url: z.string().describe("Address of the forge").meta({ example: "https://github.com" }),
  api_url: z.string().describe("Address of its API").meta({ example: "https://api.github.com" }),
  auth: z
    .enum(["app", "token"])
    .describe("How the server signs in: as a GitHub App, or by a token"),
  app_id: nullable.string.describe("Id of the GitHub App; null for a token"),
  installation_id: nullable.string.describe("Id of the App's installation; null for a token"),
  account: z.string().describe("Login that the token belongs to, or the account of the App"),
  oauth_client_id: nullable.string.describe(
    "Id of the OAuth application by which members link their accounts in the browser; null without one",
  ),
  status: z
    .enum(forgeStatuses)
    .describe(
      "As of the last request: `unauthorized` if the credential was refused, `suspended` if the App's installation is",
    ),
  status_reason: nullable.string.describe("The forge's own reason; null for `ok`"),
  delivery: z
    .enum(forgeDeliveryModes)
    .describe(
      "How events come in: `webhook` if the forge sends them, `polling` if the server asks for them",
    ),
  hook_error: nullable.string.describe(
    "Why the server could not register its hook at a repository; null if it could, or need not",
  ),
  last_event_at: nullable.timestamp.describe("Time of the last event; null before the first one"),
  projects: z.int().describe("Projects that are linked to its repositories"),
  created_at: timestamp.describe("Time of creation"),
  updated_at: timestamp.describe("Time of the last change"),
});
export type Forge = z.output<typeof forge>;

const forgeWithWebhook = forge.extend({
  webhook: z
    .strictObject({
      url: z.string().describe("Address that the forge sends events to, as JSON"),
      secret: z.string().describe("Secret of the hook, which signs them"),
    })
    .nullable()
    .describe(
      "Shown once: what a hook needs that you add yourself; null for `polling` and for an App",
    ),
});
export type ForgeWithWebhook = z.output<typeof forgeWithWebhook>;

export const forgeUrl = z
  .string()
  .max(2048)
  .describe("An `https://` address without a user name, such as https://gitlab.example.com");
export const forgeToken = z
  .string()
  .regex(/^[\x21-\x7e]{1,4096}$/, "must be 1–4 096 visible ASCII characters without spaces")
  .describe("A token of the forge; never returned");
const digits = z.string().regex(/^[0-9]{1,19}$/, "must be a number");
const app = z
  .strictObject({
    app_id: digits.describe("Id of the App"),
    private_key: z
      .string()
      .min(1)
      .max(16_384)
      .describe("A private key of the App, in PEM format; never returned"),
    webhook_secret: z
      .string()
      .min(1)
      .max(255)
      .optional()
      .describe("The webhook secret of the App, which signs its events; never returned"),
    installation_id: digits.describe("Id of the App's installation in the account"),
  })
  .describe("A GitHub App that exists; in place of a token");

const oauth = z
  .strictObject({
    client_id: z
      .string()
      .regex(/^[\x21-\x7e]{1,255}$/, "must be 1–255 visible ASCII characters without spaces")
      .describe("Id of the application"),
    client_secret: z
      .string()
      .regex(/^[\x21-\x7e]{1,1024}$/, "must be 1–1 024 visible ASCII characters without spaces")
      .describe("Secret of the application; never returned"),
  })
  .describe(
    "An OAuth application of GitLab or Gitea, by which members link their accounts in the browser. Its redirect address is `/api/v1/forges/oauth/callback` of this server.",
  );

const credentials = {
  token: forgeToken.optional(),
  app: app.optional(),
};
const newForge = z.strictObject({
  kind: z.enum(forgeKinds).describe("The kind of the forge"),
  url: forgeUrl,
  api_url: forgeUrl
    .optional()
    .describe("Address of the API; by default the usual one of the kind at `url`"),
  name: name.optional().describe("Name for people; by default the host"),
  delivery: z
    .enum(forgeDeliveryModes)
    .optional()
    .describe(
      "How events come in; by default `webhook` if the address of this server is public, else `polling`",
    ),
  ...credentials,
  oauth: oauth.optional(),
});
export type NewForge = z.output<typeof newForge>;

const forgeChanges = z.strictObject({
  name: name.optional().describe("Name for people"),
  delivery: z.enum(forgeDeliveryModes).optional().describe("How events come in"),
  ...credentials,
  oauth: oauth
    .nullish()
    .describe("The OAuth application by which members link their accounts; null removes it"),
});
export type ForgeChanges = z.output<typeof forgeChanges>;

const repository = z.strictObject({
  name: z.string().describe("Full name, as in `acme/shop`"),
  url: z.string().describe("Address of its page"),
  description: nullable.string.describe("Its description; null without one"),
  default_branch: nullable.string.describe("Its default branch; null for an empty repository"),
  is_private: z.boolean().describe("Whether not everybody may see it"),
});
export type ForgeRepository = z.output<typeof repository>;

const params = orgParams.extend({ forge_id: id.describe("Id of the connection") });
const path = "/api/v1/organizations/{org_id}/forges" as const;

export const forges = {
  create: endpoint({
    method: "POST",
    path,
    access: "org:forges:write",
    summary: "Connect a forge; the credential is tried there before it is stored",
    status: 201,
    location: "/api/v1/organizations/{org_id}/forges/{id}",
    params: orgParams,
    body: newForge,
    response: forgeWithWebhook,
    secrets: ["webhook"],
    errors: [...forgeErrors, "too_many_forges"],
  }),
  list: endpoint({
    method: "GET",
    path,
    access: "org:forges:read",
    summary: "List the connections to forges, oldest first",
    params: orgParams,
    query: page,
    response: z.array(forge),
  }),
  get: endpoint({
    method: "GET",
    path: `${path}/{forge_id}`,
    access: "org:forges:read",
    summary: "Get a connection to a forge",
    params,
    response: forge,
  }),
  update: endpoint({
    method: "PATCH",
    path: `${path}/{forge_id}`,
    access: "org:forges:write",
    summary: "Rename a connection, or replace its credential, which is tried before it is stored",
    params,
    body: forgeChanges,
    response: forge,
    errors: [...forgeErrors],
  }),
  rotateWebhookSecret: endpoint({
    method: "POST",
    path: `${path}/{forge_id}/rotate-webhook-secret`,
    access: "org:forges:write",
    summary:
      "Replace the secret of the hooks, and register them again; this is the only answer with it",
    params,
    response: forgeWithWebhook,
    secrets: ["webhook"],
    errors: ["forge_app_secret"],
  }),
  delete: endpoint({
    method: "DELETE",
    path: `${path}/{forge_id}`,
    access: "org:forges:write",
    summary:
      "Delete a connection. With `unlink`, its projects keep their history and lose their link.",
    params,
    query: z.strictObject({
      unlink: boolean.optional().describe("Whether to unlink the projects of the connection"),
    }),
    errors: ["forge_in_use"],
  }),
  repositories: endpoint({
    method: "GET",
    path: `${path}/{forge_id}/repositories`,
    access: "org:forges:read",
    summary: "List the repositories that the credential reaches, by name; at most the first 1 000",
    params,
    query: page.extend({
      q: z.string().trim().max(200).optional().describe("A part of the name"),
    }),
    response: z.array(repository),
    errors: [...forgeErrors],
  }),
};
