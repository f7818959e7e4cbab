import { z } from "zod";
import { endpoint } from "../contract/endpoint.js";
import { id, page, timestamp } from "../contract/fields.js";

const redirect = z.string().max(2048).optional();

const identity = z.strictObject({ id, issuer: z.string(), created_at: timestamp });

const identityParams = z.strictObject({ identity_id: id });

export const oidc = {
  start: endpoint({
    method: "GET",
    path: "/api/v1/auth/oidc/start",
    access: "public",
    summary: "Go to the identity provider to sign in; `redirect` is the path to come back to",
    status: 302,
    query: z.strictObject({ redirect }),
  }),
  callback: endpoint({
    method: "GET",
    path: "/api/v1/auth/oidc/callback",
    access: "public",
    summary: "Where the identity provider sends people back to",
    status: 302,
    // Providers add parameters of their own.
    query: z.looseObject({}),
  }),
  identities: endpoint({
    method: "GET",
    path: "/api/v1/auth/oidc/identities",
    access: "signed-in",
    summary: "The identities that one can sign in by",
    query: page,
    response: z.array(identity),
  }),
  identity: endpoint({
    method: "GET",
    path: "/api/v1/auth/oidc/identities/{identity_id}",
    access: "signed-in",
    summary: "Read an identity, the ETag of which guards its removal",
    params: identityParams,
    response: identity,
  }),
  link: endpoint({
    method: "POST",
    path: "/api/v1/auth/oidc/link",
    access: "signed-in",
    summary: "Begin to link an identity to one's account: where to go for it",
    body: z.strictObject({ redirect }).optional(),
    response: z.strictObject({ url: z.string() }),
  }),
  unlink: endpoint({
    method: "DELETE",
    path: "/api/v1/auth/oidc/identities/{identity_id}",
    access: "signed-in",
    summary: "Unlink an identity; the last way to sign in stays",
    params: identityParams,
  }),
};
