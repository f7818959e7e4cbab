import { z } from "zod";
import { endpoint } from "./endpoint.js";
import { id, timestamp } from "./fields.js";

/** Why a sign-in through the identity provider failed: the `error` of the page it ends on. */
export const oidcErrors = {
  oidc_unavailable:
    "The identity provider does not answer. Try again later, or sign in another way.",
  oidc_failed: "The identity provider's answer was not accepted. Try again.",
  oidc_cancelled: "The sign-in was cancelled at the identity provider.",
  oidc_expired: "The sign-in took too long, or began at another address of this site. Try again.",
  oidc_email_unverified:
    "The identity provider has not verified your e-mail address. Verify it there, then try again.",
  oidc_not_linked:
    "An account with your e-mail address exists. Sign in to it, then link the identity provider in its security settings.",
  oidc_linked_elsewhere: "That identity is linked to another account.",
  registration_closed:
    "Registration is by invitation here. Ask an owner of your organization for one.",
  account_inactive: "Your account is switched off. Ask whoever runs this server.",
} as const;
export type OidcError = keyof typeof oidcErrors;

const redirect = z.string().max(2048).optional();

const identity = z.strictObject({ id, issuer: z.string(), created_at: timestamp });

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
    response: z.array(identity),
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
    params: z.strictObject({ identity_id: id }),
  }),
};
