import type { AttentionKind, Attempt, Task, TaskStatus } from "../api/work/tasks.js";

/** The word for each state of a task, the same on every page and in `omoi`. */
export const taskStatusNames: Record<TaskStatus, string> = {
  open: "Open",
  waiting: "Waiting",
  working: "Working",
  needs_you: "Needs you",
  in_review: "In review",
  merging: "Merging",
  done: "Done",
  failed: "Failed",
  cancelled: "Canceled",
};

/** The states, in the order in which lists show them. */
export const taskStatusOrder = [
  "needs_you",
  "failed",
  "in_review",
  "merging",
  "working",
  "waiting",
  "open",
  "done",
  "cancelled",
] as const satisfies readonly TaskStatus[];

export const attemptStatusNames: Record<Attempt["status"], string> = {
  starting: "Starting",
  working: "Working",
  needs_you: "Needs you",
  ready: "Ready",
  merging: "Merging",
  merged: "Merged",
  failed: "Failed",
  stopped: "Stopped",
  archived: "Archived",
};

export const priorityNames: Record<Task["priority"], string> = {
  low: "Low",
  normal: "Normal",
  high: "High",
  urgent: "Urgent",
};

/** Why a task needs a person, in a few words before the summary. */
export const attentionNames: Record<AttentionKind, string> = {
  permission: "Wants permission",
  question: "Asks",
  review: "Ready for review",
  no_changes: "Ended without changes",
  failed: "Failed",
  stuck: "Silent",
  budget: "Budget used up",
  missing_key: "Model key missing",
  conflict: "Conflict",
  delivery_unknown: "Prompt may not have arrived",
  release: "Waits to be released",
};

/** "#12" */
export const taskNumber = ({ number }: Pick<Task, "number">): string => `#${number}`;
