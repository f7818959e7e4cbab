import { z } from "zod";
import { tokens } from "./auth.js";
import { endpoint } from "../../contract/endpoint.js";
import { nullable } from "../../contract/fields.js";

/** A code of an authenticator app (six digits), or a recovery code. */
const code = z.string().trim().min(1).max(64);
const currentPassword = z.string().max(1024);

/** Shown once, each valid for one sign-in; null in a replayed response. */
const recoveryCodes = z.strictObject({
  recovery_codes: z
    .array(z.string())
    .nullable()
    .describe("The codes, each valid for one sign-in; null in a replayed response"),
});

/** The password confirms the user's identity; optional for ten minutes after signing in. */
const again = z
  .strictObject({
    password: currentPassword
      .optional()
      .describe("The password of the account; optional for ten minutes after signing in"),
  })
  .optional();

export const secondFactor = {
  get: endpoint({
    method: "GET",
    path: "/api/v1/auth/second-factor",
    access: "signed-in",
    summary: "Get the state of the second factor",
    response: z.strictObject({
      totp: z.boolean().describe("Whether an authenticator app is required for signing in"),
      totp_since: nullable.timestamp.describe("Time at which it was turned on; null if it is off"),
      recovery_codes_left: z.number().describe("Number of unused recovery codes"),
      has_password: z.boolean().describe("Whether the account has a password"),
    }),
    errors: ["insufficient_permission"],
  }),
  startTotp: endpoint({
    method: "POST",
    path: "/api/v1/auth/second-factor/totp",
    access: "signed-in",
    summary: "Create a secret for an authenticator app (RFC 6238); confirm it by a first code",
    status: 201,
    location: "/api/v1/auth/second-factor",
    body: again,
    /** Null in a replayed response. */
    response: z.strictObject({
      secret: nullable.string.describe(
        "Secret of the authenticator app, Base32; null in a replayed response",
      ),
      uri: nullable.string.describe(
        "`otpauth://` address for a QR code; null in a replayed response",
      ),
    }),
    secrets: ["secret", "uri"],
    errors: ["session_required", "reauthentication_required", "second_factor_on"],
  }),
  confirmTotp: endpoint({
    method: "POST",
    path: "/api/v1/auth/second-factor/totp/confirm",
    access: "signed-in",
    summary: "Turn on the authenticator app by its first code; returns the recovery codes once",
    body: z.strictObject({ code: code.describe("First code of the app: six digits") }),
    response: recoveryCodes,
    secrets: ["recovery_codes"],
    errors: ["session_required", "second_factor_off", "second_factor_unreadable"],
  }),
  removeTotp: endpoint({
    method: "DELETE",
    path: "/api/v1/auth/second-factor/totp",
    access: "signed-in",
    summary: "Turn off the authenticator app, by a code or the password",
    body: z.strictObject({
      code: code.optional().describe("A code of the app, or a recovery code"),
      password: currentPassword
        .optional()
        .describe("The password of the account, in place of a code"),
    }),
    errors: [
      "session_required",
      "insufficient_permission",
      "second_factor_off",
      "second_factor_unreadable",
    ],
  }),
  renewRecoveryCodes: endpoint({
    method: "POST",
    path: "/api/v1/auth/second-factor/recovery-codes",
    access: "signed-in",
    summary: "Replace the recovery codes",
    body: again,
    response: recoveryCodes,
    secrets: ["recovery_codes"],
    errors: ["session_required", "reauthentication_required", "second_factor_off"],
  }),
  login: endpoint({
    method: "POST",
    path: "/api/v1/auth/login/second-factor",
    access: "public",
    inMaintenance: true,
    summary: "Finish a sign-in that requires a second factor",
    body: z.strictObject({
      challenge: z
        .string()
        .max(512)
        .describe("`challenge` of the error `second_factor_required`, valid for a few minutes"),
      code: code.describe("A code of the app (six digits), or a recovery code"),
    }),
    response: tokens,
    secrets: ["access_token", "refresh_token"],
    errors: [
      "challenge_expired",
      "invalid_code",
      "invalid_token",
      "second_factor_unreadable",
      "rate_limited",
    ],
  }),
};
