import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { nullable } from "../../contract/fields.js";

/** A line that git and the command line print, and that fits onto a phone. */
const MAX_MESSAGE_LENGTH = 500;

/** The words of an operator for callers. */
export const maintenanceMessage = z
  .string()
  .trim()
  .min(1)
  .max(MAX_MESSAGE_LENGTH)
  .regex(/^\P{Cc}*$/u, "must be one line, without control characters");

const maintenanceState = z.strictObject({
  active: z
    .boolean()
    .describe("Whether the installation is in maintenance, and writes are 503 `maintenance`"),
  message: nullable.string.describe("What the operator says about it; null outside of maintenance"),
  since: nullable.timestamp.describe("Time of its beginning; null outside of maintenance"),
});
export type MaintenanceState = z.output<typeof maintenanceState>;

const path = "/api/v1/admin/maintenance";
const access = "super-admin";

/** The maintenance of the installation: everyone sees it, and super admins begin and end it. */
export const maintenance = {
  status: endpoint({
    method: "GET",
    path: "/api/v1/maintenance",
    access: "public",
    summary: "Tell whether the installation is in maintenance, and why",
    response: maintenanceState,
  }),
  get: endpoint({
    method: "GET",
    path,
    access,
    summary: "Get the maintenance of the installation; its ETag guards changes",
    response: maintenanceState,
  }),
  start: endpoint({
    method: "PUT",
    path,
    access,
    revokes: true,
    summary:
      "Begin maintenance, or change its message: reading goes on, writes are 503, and nothing new starts",
    body: z.strictObject({
      message: maintenanceMessage.describe(
        "What callers are told, such as the time of the end: one line of at most 500 characters",
      ),
    }),
    response: maintenanceState,
  }),
  end: endpoint({
    method: "DELETE",
    path,
    access,
    revokes: true,
    summary: "End maintenance; no effect outside of it",
  }),
};
