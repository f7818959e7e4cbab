import type { ReactElement } from "react";
import type { Agent } from "#shared/api/agents.js";
import { StatusDot, type Tone } from "../../ui/badge.js";

const states: Record<Agent["status"], readonly [Tone, string]> = {
  idle: ["neutral", "Idle"],
  running: ["good", "Running"],
  terminated: ["bad", "Terminated"],
};

export function AgentStatus({ status }: { status: Agent["status"] }): ReactElement {
  const [tone, text] = states[status];
  return <StatusDot tone={tone}>{text}</StatusDot>;
}
