import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { id, page, timestamp } from "../../contract/fields.js";

const redirect = z.string().max(2048).optional();

const identity = z.strictObject({
  id: id.describe("Id of the linked identity"),
  issuer: z.string().describe("Issuer of the identity provider, an address"),
  created_at: timestamp.describe("Time at which it was linked"),
});

const identityParams = z.strictObject({ identity_id: id.describe("Id of the linked identity") });

export const oidc = {
  start: endpoint({
    method: "GET",
    path: "/api/v1/auth/oidc/start",
    access: "public",
    summary: "Redirect to the identity provider to sign in; `redirect` is the path to return to",
    status: 302,
    query: z.strictObject({
      redirect: redirect.describe(
        "Path of the page to open after the sign-in, such as `/organizations`",
      ),
    }),
    errors: ["not_found"],
  }),
  callback: endpoint({
    method: "GET",
    path: "/api/v1/auth/oidc/callback",
    access: "public",
    summary: "Callback of the identity provider",
    status: 302,
    // Providers may add their own parameters.
    query: z.looseObject({}),
    errors: ["not_found", "invalid_token"],
  }),
  identities: endpoint({
    method: "GET",
    path: "/api/v1/auth/oidc/identities",
    access: "signed-in",
    summary: "List the linked identities",
    query: page,
    response: z.array(identity),
    errors: ["insufficient_permission"],
  }),
  identity: endpoint({
    method: "GET",
    path: "/api/v1/auth/oidc/identities/{identity_id}",
    access: "signed-in",
    summary: "Get an identity; its ETag guards its removal",
    params: identityParams,
    response: identity,
    errors: ["insufficient_permission"],
  }),
  link: endpoint({
    method: "POST",
    path: "/api/v1/auth/oidc/link",
    access: "signed-in",
    summary: "Start linking an identity to the account; returns the URL to visit",
    body: z
      .strictObject({
        redirect: redirect.describe("Path of the page to open afterwards, such as `/profile`"),
      })
      .optional(),
    response: z.strictObject({
      url: z.string().describe("Address of the identity provider to open in the browser"),
    }),
    errors: ["session_required", "email_unverified", "not_found"],
  }),
  unlink: endpoint({
    method: "DELETE",
    path: "/api/v1/auth/oidc/identities/{identity_id}",
    access: "signed-in",
    summary: "Unlink an identity; the last way to sign in cannot be removed",
    params: identityParams,
    errors: ["session_required", "insufficient_permission", "last_sign_in_method"],
  }),
};
