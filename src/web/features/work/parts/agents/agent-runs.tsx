import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { Agent, CurrentRun, WaitingRun } from "#shared/api/work/agents.js";
import { paths } from "../../../../paths/paths.js";
import { StatusDot } from "../../../../ui/feedback/badge.js";
import { RelativeTime, Time } from "../../../../ui/text/time.js";
import { RunDuration } from "../../../execution/parts/runs/run-duration.js";
import { runTitle } from "../../../execution/parts/runs/run-title.js";
import { RunStatus } from "../../../execution/parts/runs/run-status.js";

interface AgentRunsProps {
  agent: Agent;
  /** When the agent was read, by this machine's clock; milliseconds. */
  readAt: number;
}

/** An agent's current run with its duration and the first queued run, or the outcome of its last run. */
export function AgentRuns({ agent, readAt }: AgentRunsProps): ReactElement {
  const { current_run: current, queued_run: queued, last_run: last } = agent;
  if (current === null && queued === null) {
    if (last === null) return <span className="text-muted">None yet</span>;
    return (
      <div className="min-w-0">
        <Link {...paths.run(agent.id, last.id)} className="hover:underline">
          <RunStatus run={last} />
        </Link>
        <div className="text-[13px] text-muted">
          <RelativeTime value={last.ended_at} />
        </div>
      </div>
    );
  }
  return (
    <div className="flex min-w-0 flex-col gap-1">
      {current && (
        <div className="min-w-0">
          <CommandLink agentId={agent.id} run={current} />
          <div className="text-[13px] text-muted">
            {current.stop_requested ? "Stopping, " : ""}
            <RunDuration seconds={current.runtime_seconds} readAt={readAt} />, since{" "}
            <Time value={current.started_at} wraps />
          </div>
        </div>
      )}
      {queued && (
        <div className="min-w-0">
          <CommandLink agentId={agent.id} run={queued} />
          <div className="text-[13px]">
            <StatusDot tone="accent">Queued,</StatusDot> place {queued.queue_position}
          </div>
        </div>
      )}
    </div>
  );
}

function CommandLink({
  agentId,
  run,
}: {
  agentId: string;
  run: CurrentRun | WaitingRun;
}): ReactElement {
  return (
    <Link
      {...paths.run(agentId, run.id)}
      className="line-clamp-1 font-mono text-[13px] text-accent-ink [overflow-wrap:anywhere] hover:underline"
    >
      {runTitle(run)}
    </Link>
  );
}
