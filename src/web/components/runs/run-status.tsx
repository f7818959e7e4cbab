import type { ReactElement } from "react";
import type { Run } from "#shared/api/agents/runs.js";
import { StatusDot, type Tone } from "../../ui/feedback/badge.js";

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

/** The outcome of a run: "Failed, exit code 3". */
export function RunOutcome({ run }: { run: Pick<Run, "status" | "exit_code"> }): ReactElement {
  const [tone, text] = states[run.status];
  return (
    <StatusDot tone={tone}>
      {run.status === "failed" && run.exit_code !== null
        ? `${text}, exit code ${run.exit_code}`
        : text}
    </StatusDot>
  );
}

export function RunStatus({ run }: { run: Run }): ReactElement {
  const [tone, text] = states[run.status];
  const place = run.queue_position === null ? "" : `, place ${run.queue_position}`;
  return (
    <StatusDot tone={tone}>
      {run.status === "running" && run.stop_requested ? "Stopping" : text + place}
    </StatusDot>
  );
}
