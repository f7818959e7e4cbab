import { useQuery } from "@tanstack/react-query";
import type { Agent } from "#shared/api/agents/agents.js";
import { runnersQuery } from "../../api/queries/runners.js";
import { sandboxQuery } from "../../api/queries/runs.js";
import { type Isolation, isolationOf } from "./isolation.js";
import { startDisabledReason } from "./start-reason.js";

interface Start {
  /** Why no run of the agent can start; undefined if one can. */
  reason: string | undefined;
  /** Why no session can; sessions need a folder on this server. */
  sessionReason: string | undefined;
  /** The isolation of commands on this server; undefined while unknown, and for a remote workspace. */
  isolation: Isolation | undefined;
}

/**
 * Tells how runs of an agent start: on this server, or on a runner.
 * @param forbidden why the viewer may not start any
 */
export function useStart(agent: Agent | undefined, forbidden: string | undefined): Start {
  const isRemote = agent?.workspace_type === "remote";
  const { data: sandbox } = useQuery(sandboxQuery);
  const { data: runners } = useQuery({
    ...runnersQuery(agent?.organization_id ?? ""),
    enabled: isRemote,
  });
  if (agent === undefined) {
    return { reason: forbidden, sessionReason: forbidden, isolation: undefined };
  }
  const isolation = sandbox && !isRemote ? isolationOf(sandbox, agent.workspace_type) : undefined;
  const sessionReason = startDisabledReason(agent, forbidden, isolation);
  if (!isRemote) return { reason: sessionReason, sessionReason, isolation };
  const reason =
    startDisabledReason({ ...agent, workspace_type: null }, forbidden, undefined) ??
    (runners?.length === 0
      ? "The workspace is remote, and no runner takes its runs; a super admin registers runners."
      : undefined);
  return { reason, sessionReason, isolation };
}
