import { z } from "zod";
import type { Permission } from "../permissions.js";
import { endpoint } from "../contract/endpoint.js";

/** What an event can be about, and the permission that lets somebody hear of it. */
export const eventTypes = {
  organization: "org:read",
  role: "org:read",
  member: "org:members:read",
  invitation: "org:members:read",
  project: "project:read",
  agent: "agent:read",
  run: "agent:read",
  workspace: "agent:workspace:read",
  commit: "agent:workspace:read",
  merge: "agent:workspace:read",
  conflict: "agent:workspace:read",
  audit_event: "org:audit:read",
} as const satisfies Record<string, Permission>;
export type EventType = keyof typeof eventTypes;

/**
 * The `data` of an event: what changed, to be read anew. `id` is the project's, role's or event's own,
 * the agent's for a run, a workspace, a commit, a merge or a conflict (one that its work began, ceased or
 * went on to have with another's, see the radar), the person's or agent's for a member.
 */
export const organizationEvent = z.strictObject({
  type: z.enum(Object.keys(eventTypes) as [EventType, ...EventType[]]),
  id: z.string().nullable(),
});
export type OrganizationEvent = z.output<typeof organizationEvent>;

export const events = {
  stream: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/events",
    access: "org:read",
    summary:
      "Server-Sent Events of what changes in the organization: `change` with {type, id}; `reset` where some were missed",
    status: 200,
    params: z.strictObject({ org_id: z.string().min(1).max(63) }),
    query: z.strictObject({
      last_event_id: z
        .string()
        .max(100)
        .optional()
        .describe("As the header Last-Event-ID, which a page cannot set: goes on after this event"),
    }),
  }),
};
