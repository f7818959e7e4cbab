import type { ReactElement } from "react";
import type { Agent } from "#shared/api/work/agents.js";
import { StatusDot, type Tone } from "../../../ui/feedback/badge.js";
import { workOf } from "../../../paths/agent-work.js";

const states: Record<ReturnType<typeof workOf>, readonly [Tone, string]> = {
  idle: ["neutral", "Idle"],
  running: ["good", "Running"],
  queued: ["accent", "Queued"],
  terminated: ["bad", "Terminated"],
};

export function AgentStatus({ agent }: { agent: Agent }): ReactElement {
  const [tone, text] = states[workOf(agent)];
  return <StatusDot tone={tone}>{text}</StatusDot>;
}
