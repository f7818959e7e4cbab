import type { Agent } from "#shared/api/work/agents.js";
import { commandDisabledReason, type Isolation } from "../isolation.js";

/** Returns why no run of the agent can start on this server; undefined if one can. */
export function startDisabledReason(
  agent: Agent,
  forbidden: string | undefined,
  isolation: Isolation | undefined,
): string | undefined {
  if (forbidden !== undefined) return forbidden;
  if (agent.status === "terminated") return "This agent has been terminated.";
  if (agent.workspace_branch === null) return "Create a workspace first: commands run there.";
  if (agent.workspace_type === "remote") {
    return "The workspace is remote: this server has no folder for it.";
  }
  if (agent.workspace_type === "kubernetes") {
    return "The workspace is in the cluster: this server has no folder for it.";
  }
  return isolation && commandDisabledReason(isolation);
}
