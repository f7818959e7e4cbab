import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { email, id, jsonObject, jsonValue, name, page, timestamp } from "../../contract/fields.js";
import { invitationToken } from "../organizations/invitations.js";

export const user = z.strictObject({
  id,
  email: z.string(),
  full_name: z.string().nullable(),
  department: z.string().nullable(),
  attributes: z.record(z.string(), jsonValue),
  is_active: z.boolean(),
  is_verified: z.boolean(),
  is_super_admin: z.boolean(),
  created_at: timestamp,
  last_login_at: timestamp.nullable(),
});
export type User = z.output<typeof user>;

export const password = z.string().min(8).max(128);

/** The token in a mailed link. */
const token = z.string().min(1).max(256);

export const tokens = z.strictObject({
  access_token: z.string(),
  refresh_token: z.string(),
  token_type: z.literal("bearer"),
  /** Seconds until the access token expires. */
  expires_in: z.number(),
});
export type Tokens = z.output<typeof tokens>;

const session = z.strictObject({
  id,
  created_at: timestamp,
  last_used_at: timestamp,
  expires_at: timestamp,
  ip: z.string().nullable(),
  user_agent: z.string().nullable(),
  current: z.boolean(),
});
export type Session = z.output<typeof session>;

const sessionParams = z.strictObject({ session_id: id });

export const auth = {
  register: endpoint({
    method: "POST",
    path: "/api/v1/auth/register",
    access: "public",
    summary: "Create an account; the first one of an installation is its super admin",
    status: 201,
    location: "/api/v1/auth/me",
    body: z.strictObject({
      email,
      password,
      full_name: name.nullish(),
      /** The token of an invitation link, if registration requires one. */
      invitation: invitationToken.nullish(),
    }),
    response: user,
    errors: ["email_taken", "registration_closed", "rate_limited"],
  }),
  login: endpoint({
    method: "POST",
    path: "/api/v1/auth/login",
    access: "public",
    summary: "Sign in with email and password",
    body: z.strictObject({ email, password: z.string().max(1024) }),
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
      password: z.boolean(),
      passkey: z.boolean(),
      /** Why passkeys do not work at this address; null if they do. */
      passkey_reason: z.string().nullable(),
      /** The identity provider's name for the button; null without one. */
      oidc: z.strictObject({ name: z.string() }).nullable(),
      registration: z.enum(["open", "invite", "closed"]),
      /** Whether no account exists yet: the first one becomes the installation's super admin. */
      needs_first_account: z.boolean().optional(),
      /** Whether emails leave the server; without a mail server they stay in its outbox folder. */
      sends_email: z.boolean().optional(),
    }),
  }),
  refresh: endpoint({
    method: "POST",
    path: "/api/v1/auth/refresh",
    access: "public",
    revokes: true,
    summary: "Exchange a refresh token (or the session cookie) for a new pair",
    body: z.strictObject({ refresh_token: z.string().max(1024).optional() }).optional(),
    response: tokens,
    secrets: ["access_token", "refresh_token"],
    errors: ["unauthenticated", "invalid_token", "cross_origin"],
  }),
  logout: endpoint({
    method: "POST",
    path: "/api/v1/auth/logout",
    access: "signed-in",
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
      full_name: name.nullable().optional(),
      department: name.nullable().optional(),
      attributes: jsonObject(4 * 1024).optional(),
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
    revokes: true,
    summary: "End one of your sessions",
    params: sessionParams,
    errors: ["insufficient_permission"],
  }),
  endOtherSessions: endpoint({
    method: "DELETE",
    path: "/api/v1/auth/sessions",
    access: "signed-in",
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
      "Confirm an email address by the token of a mailed link; without a session of the account, this ends every session, key and second factor",
    body: z.strictObject({ token }),
    errors: ["invalid_link", "invalid_token", "rate_limited"],
  }),
  resendVerification: endpoint({
    method: "POST",
    path: "/api/v1/auth/resend-verification",
    access: "public",
    summary: "Mail a new confirmation link; the response is the same for every address",
    body: z.strictObject({ email }),
    errors: ["rate_limited"],
  }),
  forgotPassword: endpoint({
    method: "POST",
    path: "/api/v1/auth/forgot-password",
    access: "public",
    summary: "Mail a password reset link; the response is the same for every address",
    body: z.strictObject({ email }),
    errors: ["rate_limited"],
  }),
  resetPassword: endpoint({
    method: "POST",
    path: "/api/v1/auth/reset-password",
    access: "public",
    revokes: true,
    summary:
      "Reset a password by the token of a mailed link; this ends every session and, for an unconfirmed address, every key and second factor",
    body: z.strictObject({ token, new_password: password }),
    errors: ["invalid_link", "invalid_token", "rate_limited"],
  }),
  changePassword: endpoint({
    method: "POST",
    path: "/api/v1/auth/change-password",
    access: "signed-in",
    revokes: true,
    summary: "Change your password; this ends every other session",
    body: z.strictObject({
      current_password: z.string().max(1024),
      new_password: password,
    }),
    errors: ["session_required"],
  }),
};
