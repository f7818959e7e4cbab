import { permissionOfEvent, type EventName } from "../operation/event-types.js";
import { approvingPermissions, type Permission } from "../permissions.js";

/** The ways by which a person is notified. */
export const notificationChannels = ["email", "webhook"] as const;

/** The scope of a kind: the person's own work, or all that they may read in the organization. */
export const notificationScopes = ["own", "all"] as const;
export type NotificationScope = (typeof notificationScopes)[number];

interface KindDefinition {
  title: string;
  description: string;
  /** The events that it covers; triggers of `0061_notifications.sql` queue them. */
  events: readonly EventName[];
  /** Whether a person chooses between their own and all. */
  hasScope: boolean;
  default: { email: boolean; webhook: boolean; scope: NotificationScope };
}

/** Everything that a person can be notified of: what needs a person. */
export const notificationKinds = {
  run_failed: {
    title: "Failed runs",
    description: "A run failed, timed out, reached a quota or lost its server",
    events: ["run.failed", "run.timed_out", "run.lost", "run.quota_exceeded"],
    hasScope: true,
    default: { email: true, webhook: true, scope: "own" },
  },
  conflict: {
    title: "Conflicts",
    description: "Conflicts of an agent's workspace are predicted, or a queued merge was rejected",
    events: ["conflict.predicted", "merge_request.rejected"],
    hasScope: true,
    default: { email: true, webhook: true, scope: "own" },
  },
  limit_near: {
    title: "Limits",
    description:
      "80 % or all of a limit is used: run hours, concurrent agents, or a budget for models",
    events: ["limit.near", "limit.reached"],
    hasScope: false,
    default: { email: true, webhook: true, scope: "all" },
  },
  key_expiring: {
    title: "Expiring API keys",
    description:
      "An API key of yours, or one scoped to an organization whose keys you may see, ends within 7 days or within a day",
    events: ["api_key.expiring"],
    hasScope: true,
    default: { email: true, webhook: true, scope: "own" },
  },
  permission_pending: {
    title: "Pending permissions",
    description:
      "A session waits for a decision about a permission, or a queued merge for an approval that you may give",
    events: ["session.waiting_for_permission", "merge_request.waiting_for_approval"],
    hasScope: true,
    default: { email: true, webhook: true, scope: "own" },
  },
  automation_paused: {
    title: "Paused automations",
    description:
      "The server has paused an automation: it failed ten times in a row, or may act no more",
    events: ["automation.paused"],
    hasScope: true,
    default: { email: true, webhook: true, scope: "own" },
  },
} as const satisfies Record<string, KindDefinition>;

export type NotificationKind = keyof typeof notificationKinds;
export const notificationKindNames = Object.keys(notificationKinds) as NotificationKind[];

/** Returns the kind that covers an event; undefined for other events. */
export function kindOfEvent(type: string): NotificationKind | undefined {
  return notificationKindNames.find((kind) =>
    (notificationKinds[kind].events as readonly string[]).includes(type),
  );
}

/** Returns the permissions that a member needs to be notified of an event in an organization; of a list, any of them. */
export function permissionsOfNotification(
  type: string,
): (Permission | typeof approvingPermissions)[] {
  const read = permissionOfEvent(type as EventName);
  return type === "merge_request.waiting_for_approval" ? [read, approvingPermissions] : [read];
}

/** The states of a notification on its way. */
export const notificationStatuses = ["pending", "delivered", "failed", "skipped"] as const;

/** The type of the message that a test sends. */
export const testNotification = "notification.test";

/** Why the server has disabled a person's webhook. */
export const notificationDisabledReasons = ["gone", "failing", "backlog"] as const;
