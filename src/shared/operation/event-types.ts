import { auditActions, type AuditAction } from "../organization/audit.js";
import type { Permission } from "../permissions.js";

/**
 * Audit actions without an event of the same name: the states of runs and merge requests have events of
 * their own, which are also recorded when the server changes them.
 */
const withoutEvent = [
  "run.started",
  "run.stopped",
  "merge_request.created",
  "merge_request.cancelled",
  "merge_request.rejected",
] as const satisfies readonly AuditAction[];

/** Events that are no audit actions, each with its description. */
const stateEvents = {
  "run.queued": "A run waits in the queue",
  "run.started": "A run started",
  "run.succeeded": "A run ended with exit code 0",
  "run.failed": "A run failed",
  "run.stopped": "A run was stopped",
  "run.timed_out": "A run reached its timeout",
  "run.lost": "The server of a run was lost",
  "run.quota_exceeded": "A run reached a quota",
  "session.started": "A session with an agent started",
  "session.idle": "A session waits for a prompt",
  "session.waiting_for_permission": "A session waits for a decision about a permission",
  "session.closed": "A session was closed",
  "session.failed": "A session failed",
  "merge_request.created": "A merge was queued",
  "merge_request.waiting_for_approval": "A queued merge waits for an approval",
  "merge_request.merged": "A queued merge landed",
  "merge_request.rejected": "A queued merge was rejected",
  "merge_request.cancelled": "A queued merge was canceled",
  "conflict.predicted": "Conflicts of an agent's workspace with others were predicted",
  "conflict.changed": "The predicted conflicts of an agent's workspace changed",
  "conflict.resolved": "An agent's workspace has no predicted conflicts any more",
  "limit.near": "Four fifths of a limit of an organization, a project or an agent are used",
  "limit.reached": "A limit of an organization, a project or an agent is used up",
} as const;

/** The event that a test of a webhook sends. No webhook can choose it. */
export const testEvent = "webhook.test";

type WithoutEvent = (typeof withoutEvent)[number];
export type EventName = Exclude<AuditAction, WithoutEvent> | keyof typeof stateEvents;

/** The permission that shows a subject, by the first part of an event's name. */
const permissionOfSubject = {
  run: "agent:read",
  session: "agent:read",
  conflict: "agent:workspace:read",
  merge_request: "agent:workspace:read",
  merge: "agent:workspace:read",
  task: "project:task:read",
  review: "project:task:read",
  thread: "project:task:read",
  opinion: "project:task:read",
  pull_request: "project:task:read",
  automation: "project:automation:read",
  agent: "agent:read",
  workspace: "agent:workspace:read",
  project: "project:read",
  secret: "org:secrets:read",
  member: "org:members:read",
  invitation: "org:members:read",
  role: "org:read",
  api_key: "org:apikeys:read",
  service_account: "org:service-accounts:read",
  webhook: "org:webhooks:read",
  forge: "org:forges:read",
  organization: "org:read",
  limit: "org:limits:write",
} as const satisfies Record<string, Permission>;
export type EventSubject = keyof typeof permissionOfSubject;

/** The audit actions that are events. */
export const auditedEvents = Object.keys(auditActions).filter(
  (action): action is Exclude<AuditAction, WithoutEvent> =>
    !withoutEvent.includes(action as WithoutEvent),
);

/** The names of all events, by subject. */
export const eventNames: readonly EventName[] = [
  ...auditedEvents,
  ...(Object.keys(stateEvents) as (keyof typeof stateEvents)[]),
].toSorted((a, b) => subjectRank(a) - subjectRank(b));

function subjectRank(name: EventName): number {
  return Object.keys(permissionOfSubject).indexOf(subjectOf(name));
}

/** Returns the first part of an event's name. */
export function subjectOf(name: string): EventSubject {
  return name.slice(0, name.indexOf(".")) as EventSubject;
}

/** Returns the permission that is required to receive an event. */
export function permissionOfEvent(name: EventName): Permission {
  return permissionOfSubject[subjectOf(name)];
}

/** Describes an event in a sentence without its full stop. */
export function describeEvent(name: EventName): string {
  if (name in stateEvents) return stateEvents[name as keyof typeof stateEvents];
  return `A member, an agent or the server ${auditActions[name as AuditAction]}`;
}

/** Tells whether a text is the name of an event, `*`, or a subject followed by `.*`. */
export function isEventPattern(pattern: string): boolean {
  return pattern === "*" || eventNames.some((name) => matchesEvent(pattern, name));
}

/** Tells whether a webhook's pattern covers an event, like `record_event` in the database. */
export function matchesEvent(pattern: string, name: string): boolean {
  return pattern === "*" || pattern === name || pattern === `${subjectOf(name)}.*`;
}

/** Returns the permissions that are required to receive the events that the patterns cover. */
export function permissionsOfPatterns(patterns: readonly string[]): Permission[] {
  const covered = eventNames.filter((name) =>
    patterns.some((pattern) => matchesEvent(pattern, name)),
  );
  return [...new Set(covered.map(permissionOfEvent))];
}
