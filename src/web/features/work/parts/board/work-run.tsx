import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { AgentWork } from "#shared/api/work/overview.js";
import { paths } from "../../../../paths/paths.js";
import { StatusDot } from "../../../../ui/feedback/badge.js";
import { RelativeTime } from "../../../../ui/text/time.js";
import { Time } from "../../../../ui/text/time.js";
import { RunStatus } from "../../../execution/parts/runs/run-status.js";
import { LastLine } from "./last-line.js";
import { WorkDuration } from "./work-duration.js";
import { workTitle } from "./work-title.js";

interface WorkRunProps {
  work: AgentWork;
  /** When it was read, by this machine's clock; milliseconds. */
  readAt: number;
}

/** The current run or the outcome of the last one, with the last line of its output. */
export function WorkRun({ work, readAt }: WorkRunProps): ReactElement {
  const { agent_id: agentId, current, last_outcome: last, last_line } = work;
  if (current === null && last === null) return <span className="text-muted">None yet</span>;
  return (
    <div className="flex min-w-0 flex-col">
      {current === null && last !== null && (
        <div className="flex flex-wrap items-baseline gap-x-2">
          <Link {...runLink(agentId, last)} className="hover:underline">
            <RunStatus run={last} />
          </Link>
          <span className="text-[13px] text-muted">
            <RelativeTime value={last.ended_at} />
          </span>
        </div>
      )}
      {current !== null && (
        <>
          <Link
            {...runLink(agentId, current)}
            className="line-clamp-1 font-mono text-[13px] text-accent-ink [overflow-wrap:anywhere] hover:underline"
          >
            {workTitle(current)}
          </Link>
          <CurrentState current={current} readAt={readAt} />
        </>
      )}
      <LastLine text={last_line} />
    </div>
  );
}

function CurrentState({
  current,
  readAt,
}: {
  current: NonNullable<AgentWork["current"]>;
  readAt: number;
}): ReactElement {
  if (current.started_at === null) {
    return (
      <div className="text-[13px]">
        <StatusDot tone="accent">Queued,</StatusDot> place {current.queue_position}
      </div>
    );
  }
  return (
    <div className="text-[13px] text-muted">
      {current.stop_requested ? "Stopping, " : ""}
      <WorkDuration current={current} readAt={readAt} />, since{" "}
      <Time value={current.started_at} wraps />
    </div>
  );
}

/** Links to a run, or to the session whose program it was. */
export function runLink(
  agentId: string,
  { run_id, session_id }: { run_id: string; session_id: string | null },
) {
  return session_id === null ? paths.run(agentId, run_id) : paths.session(agentId, session_id);
}
