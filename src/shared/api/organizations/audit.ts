import { z } from "zod";
import { auditActionNames } from "../../audit.js";
import { endpoint } from "../../contract/endpoint.js";
import { id, instant, jsonValue, page, timestamp } from "../../contract/fields.js";

const change = z.strictObject({ from: jsonValue, to: jsonValue });

export const auditEvent = z.strictObject({
  id,
  /** Counts up from 1 in each organization without gaps. */
  sequence: z.number().int(),
  at: timestamp,
  actor: z.strictObject({
    type: z.enum(["user", "agent", "system"]),
    id: id.nullable(),
    /** The actor's name at that time. */
    name: z.string(),
    /** The API key used, if any. */
    api_key_id: id.nullable(),
  }),
  action: z.enum(auditActionNames),
  target: z.strictObject({
    type: z.enum([
      "organization",
      "member",
      "invitation",
      "role",
      "api_key",
      "project",
      "agent",
      "workspace",
      "merge",
      "merge_request",
    ]),
    id,
    name: z.string(),
  }),
  ip: z.string().nullable(),
  request_id: z.string().nullable(),
  /** Changes by field; null for a missing value before or after. */
  changes: z.record(z.string(), change),
  previous_hash: z.string(),
  hash: z.string(),
});
export type AuditEvent = z.output<typeof auditEvent>;

/** A line of the export: an event with its organization, which is part of the hashed text. */
const exportedEvent = auditEvent.extend({
  organization_id: id,
  /** Whether a deleted user's name was replaced, so that the content does not match the hash. */
  redacted: z.boolean(),
});
export type ExportedAuditEvent = z.output<typeof exportedEvent>;

const orgParams = z.strictObject({ org_id: z.string().min(1).max(63) });

const filter = z.strictObject({
  action: z.enum(auditActionNames, "is not an action of the audit log").optional(),
  actor_id: id.optional(),
  target_type: auditEvent.shape.target.shape.type.optional(),
  target_id: id.optional(),
  since: instant.optional(),
  until: instant.optional(),
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
