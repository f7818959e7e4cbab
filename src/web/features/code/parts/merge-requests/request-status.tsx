import type { ReactElement } from "react";
import type { MergeRequest, RequestCheck } from "#shared/api/code/merge-requests.js";
import { StatusDot, type Tone } from "../../../../ui/feedback/badge.js";

const states: Record<MergeRequest["status"], readonly [tone: Tone, name: string]> = {
  queued: ["accent", "Queued"],
  checking: ["accent", "Checking"],
  waiting_for_approval: ["warn", "Waiting for approval"],
  merged: ["good", "Merged"],
  rejected: ["bad", "Rejected"],
  cancelled: ["neutral", "Canceled"],
};

export const requestStatusName = (status: MergeRequest["status"]): string => states[status][1];

export function RequestStatus({ status }: Pick<MergeRequest, "status">): ReactElement {
  const [tone, name] = states[status];
  return <StatusDot tone={tone}>{name}</StatusDot>;
}

const checkStates: Record<RequestCheck["status"], readonly [tone: Tone, name: string]> = {
  queued: ["neutral", "Waiting"],
  running: ["accent", "Running"],
  passed: ["good", "Passed"],
  failed: ["bad", "Failed"],
  cancelled: ["neutral", "Canceled"],
};

export function CheckStatus({ status }: Pick<RequestCheck, "status">): ReactElement {
  const [tone, name] = checkStates[status];
  return <StatusDot tone={tone}>{name}</StatusDot>;
}
