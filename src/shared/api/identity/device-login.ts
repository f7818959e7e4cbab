import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { id, name, timestamp } from "../../contract/fields.js";
import { userCodeFrom } from "../../user-code.js";
import { apiKey } from "../organizations/api-keys.js";

/** The code that a person enters, in any case, with or without the hyphen. */
const userCode = z
  .string()
  .max(64)
  .refine(
    (text) => userCodeFrom(text) !== null,
    "must be the eight letters that the program shows",
  );

const deviceLoginRequest = z.strictObject({
  /** "BCDF-GHJK" */
  user_code: z.string(),
  /** As the program named itself and its computer. */
  client_name: z.string().nullable(),
  ip: z.string(),
  user_agent: z.string().nullable(),
  created_at: timestamp,
  expires_at: timestamp,
  status: z.enum(["pending", "approved", "denied"]),
});
export type DeviceLoginRequest = z.output<typeof deviceLoginRequest>;

const requestParams = z.strictObject({ user_code: userCode });

/** Sign-in of a program by a person in a browser (RFC 8628, with JSON). */
export const deviceLogin = {
  start: endpoint({
    method: "POST",
    path: "/api/v1/auth/device",
    access: "public",
    summary: "Ask for an API key that a person approves in a browser (RFC 8628)",
    status: 200,
    body: z.strictObject({ client_name: name.max(100).optional() }),
    response: z.strictObject({
      device_code: z.string(),
      user_code: z.string(),
      verification_uri: z.string(),
      verification_uri_complete: z.string(),
      /** Seconds until both codes expire. */
      expires_in: z.number().int(),
      /** Seconds between two requests for the key. */
      interval: z.number().int(),
    }),
    secrets: ["device_code"],
    errors: ["rate_limited"],
  }),
  token: endpoint({
    method: "POST",
    path: "/api/v1/auth/device/token",
    access: "public",
    summary: "Fetch the API key of an approved request, once; errors as in RFC 8628, section 3.5",
    status: 200,
    body: z.strictObject({ device_code: z.string().min(1).max(256) }),
    response: z.strictObject({
      key: z.string(),
      api_key: apiKey,
      user: z.strictObject({ id, email: z.string(), full_name: z.string().nullable() }),
    }),
    secrets: ["key"],
    errors: ["authorization_pending", "slow_down", "access_denied", "expired_token"],
  }),
  get: endpoint({
    method: "GET",
    path: "/api/v1/auth/device/{user_code}",
    access: "signed-in",
    summary: "Get the request of a user code, pending or answered by you",
    params: requestParams,
    response: deviceLoginRequest,
    errors: ["session_required"],
  }),
  approve: endpoint({
    method: "POST",
    path: "/api/v1/auth/device/{user_code}/approve",
    access: "signed-in",
    summary: "Approve a request: its program gets an API key with full access as you",
    status: 200,
    params: requestParams,
    body: z
      .strictObject({
        /** Days until the key expires, from the time it is fetched. */
        expires_in_days: z.number().int().min(1).max(365).optional(),
      })
      .optional(),
    response: deviceLoginRequest,
    errors: ["session_required", "device_login_answered"],
  }),
  deny: endpoint({
    method: "POST",
    path: "/api/v1/auth/device/{user_code}/deny",
    access: "signed-in",
    summary: "Deny a request",
    status: 200,
    params: requestParams,
    response: deviceLoginRequest,
    errors: ["session_required", "device_login_answered"],
  }),
};
