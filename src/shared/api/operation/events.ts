import { z } from "zod";
import type { Permission } from "../../permissions.js";
import type { EventName } from "../../operation/event-types.js";
import { endpoint } from "../../contract/endpoint.js";
import { eventStreamQuery, nullable, orgParams } from "../../contract/fields.js";

/** Event types, and the permission required to receive each. */
export const eventTypes = {
  organization: "org:read",
  role: "org:read",
  member: "org:members:read",
  invitation: "org:members:read",
  project: "project:read",
  task: "project:task:read",
  automation: "project:automation:read",
  review: "project:task:read",
  thread: "project:task:read",
  agent: "agent:read",
  run: "agent:read",
  session: "agent:read",
  workspace: "agent:workspace:read",
  commit: "agent:workspace:read",
  merge: "agent:workspace:read",
  merge_request: "agent:workspace:read",
  conflict: "agent:workspace:read",
  secret: "org:secrets:read",
  audit_event: "org:audit:read",
} as const satisfies Record<string, Permission>;
export type EventType = keyof typeof eventTypes;

/**
 * The `data` of an event: the changed resource, to be fetched again. `id` is the id of the project,
 * task, automation (also for its firings), role or event itself; of the task for a review or thread; of the agent for a run, session, workspace, commit, merge, merge request or conflict (a conflict
 * with another agent's work that began, ended or changed; see the radar); of the user or agent for
 * a member.
 */
export const organizationEvent = z.strictObject({
  type: z
    .enum(Object.keys(eventTypes) as [EventType, ...EventType[]])
    .describe("Kind of the resource that has changed"),
  id: nullable.string.describe(
    "Id of the project, task, automation, role or event itself; of the task for a review or thread; of the agent for a run, session, workspace, commit, merge, merge request or conflict; of the user, agent or service account for a member; null where no single one is meant",
  ),
});
export type OrganizationEvent = z.output<typeof organizationEvent>;

/**
 * The `data` of an `event`: an event of `src/shared/operation/event-types.ts`, with the id and the type that webhooks get.
 */
export interface RecordedEvent {
  id: string;
  type: EventName;
  subject_id: string;
}

export const events = {
  stream: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/events",
    access: "org:read",
    summary:
      "Stream changes in the organization as Server-Sent Events: `change` with {type, id}; `event` with the id that webhooks get; `reset` after missed events",
    status: 200,
    media: ["text/event-stream"],
    params: orgParams,
    query: eventStreamQuery,
  }),
};
