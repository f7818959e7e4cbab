import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { id, name, nullable, timestamp } from "../../contract/fields.js";
import { userCodeFrom } from "../../identity/user-code.js";
import { apiKey } from "./api-keys.js";

/** The code that a person enters, in any case, with or without the hyphen. */
const userCode = z
  .string()
  .max(64)
  .refine(
    (text) => userCodeFrom(text) !== null,
    "must be the eight letters that the program shows",
  );

const deviceLoginRequest = z.strictObject({
  user_code: z
    .string()
    .describe("The code that the program shows, as `BCDF-GHJK`")
    .meta({ example: "BCDF-GHJK" }),
  client_name: nullable.string
    .describe("How the program named itself and its computer; null if it did not")
    .meta({ example: "omoi on laptop" }),
  ip: z.string().describe("Address that the program asked from"),
  user_agent: nullable.string.describe("`User-Agent` of the program; null if it sent none"),
  created_at: timestamp.describe("Time of the request"),
  expires_at: timestamp.describe("Time at which the request can no longer be answered"),
  status: z
    .enum(["pending", "approved", "denied"])
    .describe("`pending` until a person has answered"),
});
export type DeviceLoginRequest = z.output<typeof deviceLoginRequest>;

const requestParams = z.strictObject({
  user_code: userCode
    .describe("The eight letters that the program shows, with or without the hyphen")
    .meta({ example: "BCDF-GHJK" }),
});

/** Sign-in of a program by a person in a browser (RFC 8628, with JSON). */
export const deviceLogin = {
  start: endpoint({
    method: "POST",
    path: "/api/v1/auth/device",
    access: "public",
    inMaintenance: true,
    summary: "Ask for an API key that a person approves in a browser (RFC 8628)",
    status: 200,
    body: z.strictObject({
      client_name: name
        .max(100)
        .optional()
        .describe(
          "Name of the program and its computer, which the person sees; 1 to 100 characters",
        ),
    }),
    response: z.strictObject({
      device_code: z
        .string()
        .describe("Secret of the program, with which it fetches the key")
        .meta({ example: "Zm9vYmFyYmF6" }),
      user_code: z
        .string()
        .describe("The code to show to the person, as `BCDF-GHJK`")
        .meta({ example: "BCDF-GHJK" }),
      verification_uri: z
        .string()
        .describe("The page where the person enters the code")
        .meta({ example: "https://omoi.example.com/device" }),
      verification_uri_complete: z
        .string()
        .describe("The same page with the code filled in")
        .meta({ example: "https://omoi.example.com/device?code=BCDF-GHJK" }),
      expires_in: z.int().describe("Seconds until both codes expire"),
      interval: z
        .int()
        .describe("Seconds to wait between two requests for the key")
        .meta({ example: 5 }),
    }),
    secrets: ["device_code"],
    errors: ["rate_limited"],
  }),
  token: endpoint({
    method: "POST",
    path: "/api/v1/auth/device/token",
    access: "public",
    inMaintenance: true,
    summary: "Fetch the API key of an approved request, once; errors as in RFC 8628, section 3.5",
    status: 200,
    body: z.strictObject({
      device_code: z
        .string()
        .min(1)
        .max(256)
        .describe("`device_code` of the device login")
        .meta({ example: "Zm9vYmFyYmF6" }),
    }),
    response: z.strictObject({
      key: z.string().describe("The API key itself, in this response only"),
      api_key: apiKey.describe("The key's properties"),
      user: z
        .strictObject({
          id: id.describe("Id of the user"),
          email: z.string().describe("Email address of the user"),
          full_name: nullable.string.describe("Full name of the user; null if not given"),
        })
        .describe("The user who approved the request, for whom the key acts"),
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
    inMaintenance: true,
    summary: "Approve a request: its program gets an API key with full access as you",
    status: 200,
    params: requestParams,
    body: z
      .strictObject({
        expires_in_days: z
          .int()
          .min(1)
          .max(365)
          .optional()
          .describe(
            "Days until the key expires, from the time it is fetched, 1 to 365; by default 90, or less where the installation limits the lifetime of keys",
          ),
      })
      .optional(),
    response: deviceLoginRequest,
    errors: ["session_required", "device_login_answered"],
  }),
  deny: endpoint({
    method: "POST",
    path: "/api/v1/auth/device/{user_code}/deny",
    access: "signed-in",
    inMaintenance: true,
    summary: "Deny a request",
    status: 200,
    params: requestParams,
    response: deviceLoginRequest,
    errors: ["session_required", "device_login_answered"],
  }),
};
