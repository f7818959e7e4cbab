import type { ReactElement } from "react";
import type { AgentWork } from "#shared/api/work/overview.js";
import { StatusDot, type Tone } from "../../../../ui/feedback/badge.js";
import type { Work } from "../../../../paths/agent-work.js";

/** The state of an agent as the filter names it: queued work has a state of its own. */
export function stateOf({ state, current }: AgentWork): Work {
  if (state !== "working") return state;
  return current?.started_at == null ? "queued" : "running";
}

const states: Record<Work, readonly [Tone, string]> = {
  running: ["good", "Running"],
  queued: ["accent", "Queued"],
  needs_you: ["bad", "Needs you"],
  ready: ["accent", "Ready to merge"],
  idle: ["neutral", "Idle"],
};

export const stateName = (state: Work): string => states[state][1];

export function WorkState({ work }: { work: AgentWork }): ReactElement {
  const [tone, text] = states[stateOf(work)];
  return (
    <>
      <StatusDot tone={tone}>{text}</StatusDot>
      {work.waiting_session_id !== null && (
        <div className="text-[13px] text-muted">{askingText}</div>
      )}
    </>
  );
}

/** Why an agent with a session that waits needs a person. */
export const askingText = "Asks for permission";
