import { z } from "zod";
import { tokens } from "./auth.js";
import { endpoint } from "../contract/endpoint.js";
import { timestamp } from "../contract/fields.js";

/** Of an authenticator app (six digits) or a recovery code. */
const code = z.string().trim().min(1).max(64);
const currentPassword = z.string().max(1024);

/** Shown once, each good for one sign-in; null where an earlier answer is replayed. */
const recoveryCodes = z.strictObject({ recovery_codes: z.array(z.string()).nullable() });

/** The password shows again that it is you; it may be left out for ten minutes after signing in. */
const again = z.strictObject({ password: currentPassword.optional() }).optional();

export const secondFactor = {
  get: endpoint({
    method: "GET",
    path: "/api/v1/auth/second-factor",
    access: "signed-in",
    summary: "Which second factor is on",
    response: z.strictObject({
      totp: z.boolean(),
      totp_since: timestamp.nullable(),
      recovery_codes_left: z.number(),
      has_password: z.boolean(),
    }),
  }),
  startTotp: endpoint({
    method: "POST",
    path: "/api/v1/auth/second-factor/totp",
    access: "signed-in",
    summary: "Get a secret for an authenticator app (RFC 6238); a first code switches it on",
    status: 201,
    body: again,
    /** Null where an earlier answer is replayed. */
    response: z.strictObject({ secret: z.string().nullable(), uri: z.string().nullable() }),
  }),
  confirmTotp: endpoint({
    method: "POST",
    path: "/api/v1/auth/second-factor/totp/confirm",
    access: "signed-in",
    summary: "Switch the authenticator app on by its first code; answers the recovery codes, once",
    body: z.strictObject({ code }),
    response: recoveryCodes,
  }),
  removeTotp: endpoint({
    method: "DELETE",
    path: "/api/v1/auth/second-factor/totp",
    access: "signed-in",
    summary: "Switch the authenticator app off, by a code or the password",
    body: z.strictObject({ code: code.optional(), password: currentPassword.optional() }),
  }),
  renewRecoveryCodes: endpoint({
    method: "POST",
    path: "/api/v1/auth/second-factor/recovery-codes",
    access: "signed-in",
    summary: "Get new recovery codes; the old ones stop working",
    body: again,
    response: recoveryCodes,
  }),
  login: endpoint({
    method: "POST",
    path: "/api/v1/auth/login/second-factor",
    access: "public",
    summary: "Finish a sign-in that a login answered with second_factor_required",
    body: z.strictObject({ challenge: z.string().max(512), code }),
    response: tokens,
  }),
};
