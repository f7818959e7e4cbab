import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import {
  email,
  id,
  jsonObject,
  jsonValue,
  name,
  nullable,
  page,
  timestamp,
} from "../../contract/fields.js";
import { invitationToken } from "../organization/invitations.js";

export const user = z.strictObject({
  id: id.describe("Id of the user"),
  email: z.string().describe("Email address, in lower case"),
  full_name: nullable.string.describe("Full name; null if not given"),
  department: nullable.string.describe("Department; null if not given"),
  attributes: z.record(z.string(), jsonValue).describe("Fields of your own, at most 4 KiB of JSON"),
  is_active: z.boolean().describe("False for an account that may not sign in"),
  is_verified: z.boolean().describe("Whether the email address is confirmed"),
  is_super_admin: z.boolean().describe("Whether the user may use `/api/v1/admin`"),
  created_at: timestamp.describe("Time of registration"),
  last_login_at: nullable.timestamp.describe("Time of the last sign-in; null before the first"),
});
export type User = z.output<typeof user>;

export const password = z.string().min(8).max(128);

/** The token in a mailed link. */
const token = z.string().min(1).max(256);

export const tokens = z.strictObject({
  access_token: z
    .string()
    .describe("Token for `Authorization: Bearer`, valid for `expires_in` seconds"),
  refresh_token: z
    .string()
    .describe("Token for `POST /api/v1/auth/refresh`. Works once: each use returns a new pair."),
  token_type: z.literal("bearer").describe("Always `bearer`"),
  expires_in: z.number().describe("Seconds until the access token expires"),
});
export type Tokens = z.output<typeof tokens>;

const session = z.strictObject({
  id: id.describe("Id of the session"),
  created_at: timestamp.describe("Time of the sign-in"),
  last_used_at: timestamp.describe("Time of the last request"),
  expires_at: timestamp.describe("Time at which the session ends unless it is used before"),
  ip: nullable.string.describe("Address of the sign-in; null if unknown"),
  user_agent: nullable.string.describe("`User-Agent` of the sign-in; null if there was none"),
  current: z.boolean().describe("Whether it is the session of this request"),
});
export type Session = z.output<typeof session>;

const sessionParams = z.strictObject({ session_id: id.describe("Id of the session") });

export const auth = {
  register: endpoint({
    method: "POST",
    path: "/api/v1/auth/register",
    access: "public",
    summary: "Create an account; the first one of an installation is its super admin",
    status: 201,
    location: "/api/v1/auth/me",
    body: z.strictObject({
      email: email.describe("Email address; compared in lower case"),
      password: password.describe(
        "Password of 8 to 128 characters, which is not among the common ones",
      ),
      full_name: name.nullish().describe("Full name, 1 to 255 characters"),
      invitation: invitationToken
        .nullish()
        .describe("Token of an invitation link, if registration requires one"),
    }),
    response: user,
    errors: ["email_taken", "registration_closed", "rate_limited"],
  }),
  login: endpoint({
    method: "POST",
    path: "/api/v1/auth/login",
    access: "public",
    inMaintenance: true,
    summary: "Sign in with email and password",
    body: z.strictObject({
      email: email.describe("Email address of the account"),
      password: z.string().max(1024).describe("Password of the account"),
    }),
    response: tokens,
    secrets: ["access_token", "refresh_token"],
    errors: ["invalid_credentials", "second_factor_required", "invalid_token", "rate_limited"],
  }),
  methods: endpoint({
    method: "GET",
    path: "/api/v1/auth/methods",
    access: "public",
    summary: "Get the available ways to sign in and register",
    response: z.strictObject({
      password: z.boolean().describe("Whether passwords work"),
      passkey: z.boolean().describe("Whether passkeys work"),
      passkey_reason: nullable.string.describe(
        "Why passkeys do not work at this address; null if they do",
      ),
      oidc: z
        .strictObject({ name: z.string().describe("Name of the provider, for the button") })
        .nullable()
        .describe("The identity provider; null without one"),
      registration: z
        .enum(["open", "invite", "closed"])
        .describe("`open` to everyone, to holders of an invitation (`invite`), or `closed`"),
      needs_first_account: z
        .boolean()
        .optional()
        .describe(
          "Whether no account exists yet: the first one becomes the installation's super admin",
        ),
      sends_email: z
        .boolean()
        .optional()
        .describe(
          "Whether emails leave the server; without a mail server they stay in its outbox folder",
        ),
    }),
  }),
  refresh: endpoint({
    method: "POST",
    path: "/api/v1/auth/refresh",
    access: "public",
    inMaintenance: true,
    revokes: true,
    summary: "Exchange a refresh token (or the session cookie) for a new pair",
    body: z
      .strictObject({
        refresh_token: z
          .string()
          .max(1024)
          .optional()
          .describe("The refresh token; without it, the session cookie is used"),
      })
      .optional(),
    response: tokens,
    secrets: ["access_token", "refresh_token"],
    errors: ["unauthenticated", "invalid_token", "cross_origin"],
  }),
  logout: endpoint({
    method: "POST",
    path: "/api/v1/auth/logout",
    access: "signed-in",
    inMaintenance: true,
    revokes: true,
    summary: "End the session and its access and refresh tokens",
  }),
  me: endpoint({
    method: "GET",
    path: "/api/v1/auth/me",
    access: "signed-in",
    summary: "Get the user or agent of the credential",
    response: user,
    errors: ["insufficient_permission"],
  }),
  updateMe: endpoint({
    method: "PATCH",
    path: "/api/v1/auth/me",
    access: "signed-in",
    summary: "Change your profile",
    body: z.strictObject({
      full_name: name.nullish().describe("Full name, 1 to 255 characters; null removes it"),
      department: name.nullish().describe("Department, 1 to 255 characters; null removes it"),
      attributes: jsonObject(4 * 1024)
        .optional()
        .describe("Fields of your own, at most 4 KiB of JSON; replaces all of them"),
    }),
    response: user,
    errors: ["insufficient_permission"],
  }),
  sessions: endpoint({
    method: "GET",
    path: "/api/v1/auth/sessions",
    access: "signed-in",
    summary: "List your sessions, latest sign-in first",
    query: page,
    response: z.array(session),
    errors: ["insufficient_permission"],
  }),
  session: endpoint({
    method: "GET",
    path: "/api/v1/auth/sessions/{session_id}",
    access: "signed-in",
    summary: "Get one of your sessions; its ETag guards its end",
    params: sessionParams,
    response: session,
    errors: ["insufficient_permission"],
  }),
  endSession: endpoint({
    method: "DELETE",
    path: "/api/v1/auth/sessions/{session_id}",
    access: "signed-in",
    inMaintenance: true,
    revokes: true,
    summary: "End one of your sessions",
    params: sessionParams,
    errors: ["insufficient_permission"],
  }),
  endOtherSessions: endpoint({
    method: "DELETE",
    path: "/api/v1/auth/sessions",
    access: "signed-in",
    inMaintenance: true,
    revokes: true,
    summary: "End all of your sessions except the current one",
    errors: ["insufficient_permission"],
  }),
  verifyEmail: endpoint({
    method: "POST",
    path: "/api/v1/auth/verify-email",
    access: "public",
    revokes: true,
    summary:
      "Confirm an email address by the token of a mailed link; without a session of the account, this ends every session, key and second factor unless they are kept",
    body: z.strictObject({
      token: token.describe("Token of the link in the email"),
      keep_access: z
        .boolean()
        .optional()
        .describe(
          "`true` if you made the account: its sessions, API keys, passkeys, linked identities and second factor stay. By default they stay only in a session of the account; a session of another account must send an answer",
        ),
    }),
    errors: ["invalid_link", "invalid_token", "link_of_another_account", "rate_limited"],
  }),
  resendVerification: endpoint({
    method: "POST",
    path: "/api/v1/auth/resend-verification",
    access: "public",
    summary: "Mail a new confirmation link; the response is the same for every address",
    body: z.strictObject({ email: email.describe("Email address of the account") }),
    errors: ["rate_limited"],
  }),
  forgotPassword: endpoint({
    method: "POST",
    path: "/api/v1/auth/forgot-password",
    access: "public",
    summary: "Mail a password reset link; the response is the same for every address",
    body: z.strictObject({ email: email.describe("Email address of the account") }),
    errors: ["rate_limited"],
  }),
  resetPassword: endpoint({
    method: "POST",
    path: "/api/v1/auth/reset-password",
    access: "public",
    revokes: true,
    summary:
      "Reset a password by the token of a mailed link; this ends every session and, for an unconfirmed address, every key and second factor",
    body: z.strictObject({
      token: token.describe("Token of the link in the email"),
      new_password: password.describe(
        "New password of 8 to 128 characters, which is not among the common ones",
      ),
    }),
    errors: ["invalid_link", "rate_limited"],
  }),
  changePassword: endpoint({
    method: "POST",
    path: "/api/v1/auth/change-password",
    access: "signed-in",
    revokes: true,
    summary: "Change your password; this ends every other session",
    body: z.strictObject({
      current_password: z
        .string()
        .max(1024)
        .describe("The password that is replaced, at most 1 024 characters"),
      new_password: password.describe(
        "New password of 8 to 128 characters, which is not among the common ones",
      ),
    }),
    errors: ["session_required"],
  }),
};
