import { z } from "zod";
import { auditActionNames } from "../../organization/audit.js";
import { endpoint } from "../../contract/endpoint.js";
import {
  id,
  instant,
  jsonValue,
  nullable,
  orgParams,
  page,
  timestamp,
} from "../../contract/fields.js";

const change = z.strictObject({
  from: jsonValue.describe("Value before; null if there was none"),
  to: jsonValue.describe("Value after; null if there is none"),
});

export const auditEvent = z.strictObject({
  id: id.describe("Id of the event"),
  sequence: z.int().describe("Counts up from 1 in each organization without gaps"),
  at: timestamp.describe("Time of the action"),
  actor: z
    .strictObject({
      type: z
        .enum(["user", "agent", "service_account", "system"])
        .describe("`system` is the server itself"),
      id: nullable.id.describe("Id of the user, agent or service account; null for the server"),
      name: z.string().describe("The actor's name at that time"),
      api_key_id: nullable.id.describe("The API key used, if any"),
    })
    .describe("Who acted"),
  action: z.enum(auditActionNames).describe("The action, in the form `resource.verb`"),
  target: z
    .strictObject({
      type: z
        .enum([
          "organization",
          "member",
          "invitation",
          "role",
          "api_key",
          "service_account",
          "webhook",
          "forge",
          "pull_request",
          "automation",
          "project",
          "task",
          "agent",
          "workspace",
          "merge",
          "merge_request",
        ])
        .describe("Kind of the affected resource"),
      id: id.describe("Id of the affected resource"),
      name: z.string().describe("Name of the affected resource at that time"),
    })
    .describe("What was affected"),
  ip: nullable.string.describe(
    "Address that the request came from; null for the server's own actions",
  ),
  request_id: nullable.string.describe(
    "The request's `X-Request-Id`; null for the server's own actions",
  ),
  changes: z.record(z.string(), change).describe("Changes by field"),
  previous_hash: z
    .string()
    .describe(
      "`hash` of the event before, which makes edits and gaps visible; 64 zeros for the first event",
    ),
  hash: z.string().describe("SHA-256 of this event and `previous_hash`, hexadecimal"),
});
export type AuditEvent = z.output<typeof auditEvent>;

/** A line of the export: an event with its organization, which is part of the hashed text. */
const exportedEvent = auditEvent.extend({
  organization_id: id.describe("Id of the organization, which is part of the hashed text"),
  redacted: z
    .boolean()
    .describe(
      "Whether a deleted user's name was replaced, so that the content does not match the hash",
    ),
});
export type ExportedAuditEvent = z.output<typeof exportedEvent>;

const filter = z.strictObject({
  action: z
    .enum(auditActionNames, "is not an action of the audit log")
    .optional()
    .describe("Only events of this action"),
  actor_id: id.optional().describe("Only events of this user, agent or service account"),
  target_type: auditEvent.shape.target.shape.type
    .optional()
    .describe("Only events about this kind of resource"),
  target_id: id.optional().describe("Only events about this resource"),
  since: instant.optional().describe("Only events at this time or later"),
  until: instant.optional().describe("Only events before this time"),
});

export const audit = {
  list: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/audit-events",
    access: "org:audit:read",
    summary: "List audit events, newest first; each event contains the hash of the previous one",
    params: orgParams,
    query: page.extend(filter.shape),
    response: z.array(auditEvent),
  }),
  export: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/audit-events/export",
    access: "org:audit:read",
    summary:
      "Download audit events as lines of JSON, oldest first, with `organization_id` and `redacted`; their hashes can be verified offline",
    status: 200,
    media: ["application/x-ndjson"],
    params: orgParams,
    query: filter,
  }),
};
