import type { ReactElement } from "react";
import type { Session } from "#shared/api/work/sessions.js";
import { StatusDot, type Tone } from "../../../../ui/feedback/badge.js";

const states: Record<Session["status"], readonly [Tone, string]> = {
  starting: ["accent", "Starting"],
  idle: ["neutral", "Waiting for a prompt"],
  working: ["good", "Working"],
  waiting_for_permission: ["warn", "Needs you"],
  closed: ["neutral", "Closed"],
  failed: ["bad", "Failed"],
};

export function SessionStatus({ status }: Pick<Session, "status">): ReactElement {
  const [tone, text] = states[status];
  return <StatusDot tone={tone}>{text}</StatusDot>;
}

/** Whether a session takes prompts. */
export function isOpen({ status }: Pick<Session, "status">): boolean {
  return status !== "closed" && status !== "failed";
}

/** Whether a turn is in progress. */
export function isBusy({ status }: Pick<Session, "status">): boolean {
  return status === "working" || status === "waiting_for_permission";
}
