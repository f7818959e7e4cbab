/** The choices of automations. */
export const automationStatuses = ["active", "paused", "disabled"] as const;
export const overlaps = ["skip", "queue", "replace"] as const;
export const decisions = ["pending", "queued", "fired", "skipped", "refused", "failed"] as const;

/** Events of a forge, each with its description. */
export const forgeEvents = {
  "issue.opened": "An issue is opened",
  "issue.labeled": "An issue gets a label",
  "issue.assigned": "An issue is assigned",
  "issue.commented": "An issue gets a comment",
  "pull_request.opened": "A pull request is opened",
  "pull_request.review_submitted": "A pull request is reviewed",
  "pull_request.commented": "A pull request gets a comment",
  "pull_request.check_failed": "A check of a pull request fails",
} as const;
export const forgeEventNames = Object.keys(forgeEvents) as (keyof typeof forgeEvents)[];

/** Events of Omoi, each with its description. */
export const productEvents = {
  "merge.conflicted": "A merge has conflicts, or some with the target are predicted",
  "check.failed": "A check of a commit fails",
  "task.done": "A task is done",
  "branch.updated": "A branch gets commits by a merge, a push or a fetch",
  "run.failed": "A run fails that is no check",
} as const;
export const productEventNames = Object.keys(productEvents) as (keyof typeof productEvents)[];

export const filterOperators = ["is", "is_not", "contains", "matches"] as const;

/** Links of a chain of events that fire; the next one is refused. */
export const MAX_CHAIN = 5;
/** Failures in a row that pause an automation. */
export const MAX_FAILURES = 10;
/** Maximum bytes that the address of an automation accepts. */
export const MAX_HOOK_BYTES = 256 * 1024;
