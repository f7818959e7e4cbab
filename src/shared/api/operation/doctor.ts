import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { email, nullable } from "../../contract/fields.js";

/** Results of a check. Only `failed` makes `omoi doctor` fail. */
export const checkStatuses = ["ok", "warning", "failed", "skipped"] as const;

/** One check of the installation, as `omoi doctor` shows it in a line. */
export const doctorCheck = z.strictObject({
  name: z.string().describe("Name of the check, such as `disk`"),
  server: nullable.string.describe(
    "Name of the server that was checked; null for a check of the whole installation",
  ),
  status: z
    .enum(checkStatuses)
    .describe(
      "`ok`; `warning`: works, but not as it should; `failed`; `skipped`: does not apply here, or could not be tried",
    ),
  tried: z.string().describe("What was tried"),
  seen: z.string().describe("What was seen"),
  cure: nullable.string.describe(
    "What to do, as a sentence or a command; null if nothing is to be done",
  ),
});
export type DoctorCheck = z.output<typeof doctorCheck>;

/** A request as the server sees it, which tells whether the proxy in front is set up. */
export const receivedRequest = z.strictObject({
  public_url: z.string().describe("Public address of the installation (`OMOI_PUBLIC_URL`)"),
  address: z.string().describe("Address that the server takes for that of the client"),
  protocol: z
    .enum(["http", "https"])
    .describe("Scheme that the server takes for that of the client's connection"),
  host: z.string().describe("Host that the client named"),
  connection_address: z
    .string()
    .describe("Address at the other end of the connection: that of the client, or of a proxy"),
  connection_trusted: z
    .boolean()
    .describe("Whether `OMOI_TRUSTED_PROXIES` contains that address, so that its headers count"),
  forwarding_headers: z
    .array(z.string())
    .describe("Names of the headers about the client that the request has, in lower case"),
});
export type ReceivedRequest = z.output<typeof receivedRequest>;

const access = "super-admin";

/** The calls of `omoi doctor`, for super admins; for all others they answer 404. */
export const doctor = {
  request: endpoint({
    method: "GET",
    path: "/api/v1/admin/doctor/request",
    access,
    summary: "Get this request as the server sees it",
    response: receivedRequest,
  }),
  run: endpoint({
    method: "POST",
    path: "/api/v1/admin/doctor",
    access,
    summary: "Check all servers from inside: database, disk, mail, sandbox, backups, versions",
    body: z
      .strictObject({
        mail_to: email
          .optional()
          .describe("Address to which each server sends a test email; by default none is sent"),
      })
      .optional(),
    response: z.strictObject({
      checks: z.array(doctorCheck).describe("The checks, those of the installation last"),
    }),
    errors: ["doctor_running"],
  }),
};
