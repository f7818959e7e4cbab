import type { ReactElement } from "react";
import type { Attempt, TaskStatus as Status } from "#shared/api/work/tasks.js";
import { attemptStatusNames, taskStatusNames } from "#shared/work/task-words.js";
import { StatusDot, type Tone } from "../../../../ui/feedback/badge.js";

const tones: Record<Status, Tone> = {
  open: "neutral",
  waiting: "neutral",
  working: "good",
  needs_you: "warn",
  in_review: "accent",
  merging: "accent",
  done: "good",
  failed: "bad",
  cancelled: "neutral",
};

/** The state of a task, by the same word on every page. */
export function TaskStatus({ status }: { status: Status }): ReactElement {
  return <StatusDot tone={tones[status]}>{taskStatusNames[status]}</StatusDot>;
}

const attemptTones: Record<Attempt["status"], Tone> = {
  starting: "accent",
  working: "good",
  needs_you: "warn",
  ready: "accent",
  merging: "accent",
  merged: "good",
  failed: "bad",
  stopped: "neutral",
  archived: "neutral",
};

export function AttemptStatus({ status }: Pick<Attempt, "status">): ReactElement {
  return <StatusDot tone={attemptTones[status]}>{attemptStatusNames[status]}</StatusDot>;
}
