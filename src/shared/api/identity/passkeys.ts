import { z } from "zod";
import { tokens } from "./auth.js";
import { endpoint } from "../../contract/endpoint.js";
import { id, jsonValue, name, nullable, page, timestamp } from "../../contract/fields.js";

const passkey = z.strictObject({
  id: id.describe("Id of the passkey"),
  name: z.string().describe("Name that the user gave it"),
  backed_up: z
    .boolean()
    .describe("Whether it is synchronized between devices and survives the loss of this one"),
  created_at: timestamp.describe("Time of registration"),
  last_used_at: nullable.timestamp.describe(
    "Time of the last sign-in with it; null before the first",
  ),
});
export type Passkey = z.output<typeof passkey>;

/** Options for the browser's WebAuthn calls, as JSON (WebAuthn level 3, sections 5.4 and 5.5). */
const options = z.record(z.string(), jsonValue);

// Browsers add their own members: unknown ones are ignored, not rejected.
const base64url = z.string().max(16_384);
const credential = {
  id: base64url.describe("Id of the credential, base64url (WebAuthn)"),
  rawId: base64url.describe("Same as `id`"),
  type: z.literal("public-key").describe("Always `public-key`"),
};
const attestation = z.object({
  ...credential,
  response: z
    .object({
      clientDataJSON: base64url.describe("Client data, base64url"),
      attestationObject: base64url.describe("Attestation object, base64url"),
      transports: z
        .array(z.string().max(32))
        .max(16)
        .optional()
        .describe("How the browser reaches the authenticator, such as `internal` or `usb`"),
    })
    .describe("Answer of the authenticator, as `PublicKeyCredential.toJSON()` gives it"),
});
const assertion = z.object({
  ...credential,
  response: z
    .object({
      clientDataJSON: base64url.describe("Client data, base64url"),
      authenticatorData: base64url.describe("Authenticator data, base64url"),
      signature: base64url.describe("Signature, base64url"),
      userHandle: base64url
        .nullish()
        .describe("The user's handle, base64url; null if the authenticator stores none"),
    })
    .describe("Answer of the authenticator, as `PublicKeyCredential.toJSON()` gives it"),
});
export type Attestation = z.output<typeof attestation>;
export type Assertion = z.output<typeof assertion>;

const params = z.strictObject({ passkey_id: id.describe("Id of the passkey") });

export const passkeys = {
  list: endpoint({
    method: "GET",
    path: "/api/v1/auth/passkeys",
    access: "signed-in",
    summary: "List your passkeys",
    query: page,
    response: z.array(passkey),
    errors: ["insufficient_permission"],
  }),
  get: endpoint({
    method: "GET",
    path: "/api/v1/auth/passkeys/{passkey_id}",
    access: "signed-in",
    summary: "Get a passkey; its ETag guards changes",
    params,
    response: passkey,
    errors: ["insufficient_permission"],
  }),
  options: endpoint({
    method: "POST",
    path: "/api/v1/auth/passkeys/options",
    access: "signed-in",
    summary: "Get the browser's options for creating a passkey",
    response: options,
    errors: ["session_required", "passkeys_unavailable"],
  }),
  create: endpoint({
    method: "POST",
    path: "/api/v1/auth/passkeys",
    access: "signed-in",
    summary: "Register a passkey created by the browser",
    status: 201,
    location: "/api/v1/auth/passkeys/{id}",
    body: z.strictObject({
      name: name.describe("Name of the passkey, 1 to 255 characters"),
      response: attestation.describe(
        "The created credential, as `PublicKeyCredential.toJSON()` gives it",
      ),
    }),
    response: passkey,
    errors: ["session_required", "passkeys_unavailable", "passkey_exists"],
  }),
  rename: endpoint({
    method: "PATCH",
    path: "/api/v1/auth/passkeys/{passkey_id}",
    access: "signed-in",
    summary: "Rename a passkey",
    params,
    body: z.strictObject({ name: name.describe("New name, 1 to 255 characters") }),
    response: passkey,
    errors: ["session_required", "insufficient_permission"],
  }),
  remove: endpoint({
    method: "DELETE",
    path: "/api/v1/auth/passkeys/{passkey_id}",
    access: "signed-in",
    summary: "Remove a passkey; the last way to sign in cannot be removed",
    params,
    errors: ["session_required", "insufficient_permission", "last_sign_in_method"],
  }),
  loginOptions: endpoint({
    method: "POST",
    path: "/api/v1/auth/login/passkey/options",
    access: "public",
    inMaintenance: true,
    summary: "Get the browser's options for signing in with a passkey",
    response: options,
    errors: ["passkeys_unavailable"],
  }),
  login: endpoint({
    method: "POST",
    path: "/api/v1/auth/login/passkey",
    access: "public",
    inMaintenance: true,
    summary: "Sign in with a passkey, which counts as both factors",
    body: z.strictObject({
      response: assertion.describe(
        "The signed challenge, as `PublicKeyCredential.toJSON()` gives it",
      ),
    }),
    response: tokens,
    secrets: ["access_token", "refresh_token"],
    errors: ["passkeys_unavailable", "passkey_rejected", "challenge_expired", "invalid_token"],
  }),
};
