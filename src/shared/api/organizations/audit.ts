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
      "webhook",
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

export const audit = {
  list: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/audit-events",
    access: "org:audit:read",
    summary: "List audit events, newest first; each event contains the hash of the previous one",
    params: z.strictObject({ org_id: z.string().min(1).max(63) }),
    query: page.extend({
      action: z.enum(auditActionNames, "is not an action of the audit log").optional(),
      actor_id: id.optional(),
      target_type: auditEvent.shape.target.shape.type.optional(),
      target_id: id.optional(),
      since: instant.optional(),
      until: instant.optional(),
    }),
    response: z.array(auditEvent),
  }),
};
