import type { ReactElement } from "react";
import type { Run } from "#shared/api/execution/runs.js";
import { StatusDot, type Tone } from "../../../../ui/feedback/badge.js";

const states: Record<Run["status"], readonly [tone: Tone, name: string]> = {
  queued: ["accent", "Queued"],
  running: ["good", "Running"],
  succeeded: ["good", "Succeeded"],
  failed: ["bad", "Failed"],
  stopped: ["neutral", "Stopped"],
  timed_out: ["warn", "Timed out"],
  lost: ["warn", "Lost"],
  quota_exceeded: ["warn", "Quota exceeded"],
};

export const statusName = (status: Run["status"]): string => states[status][1];

type RunState = Pick<Run, "status" | "exit_code"> &
  Partial<Pick<Run, "queue_position" | "stop_requested">>;

/** The state of a run, with the exit code of a failed one: "Failed, exit code 3". */
export function RunStatus({ run }: { run: RunState }): ReactElement {
  const [tone] = states[run.status];
  return <StatusDot tone={tone}>{stateOf(run)}</StatusDot>;
}

function stateOf(run: RunState): string {
  const name = statusName(run.status);
  if (run.status === "running" && run.stop_requested === true) return "Stopping";
  if (run.status === "failed" && run.exit_code !== null)
    return `${name}, exit code ${run.exit_code}`;
  return typeof run.queue_position === "number" ? `${name}, place ${run.queue_position}` : name;
}
