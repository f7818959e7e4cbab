import { useQuery } from "@tanstack/react-query";
import type { Agent } from "#shared/api/work/agents.js";
import { hasServerFolder } from "#shared/code/workspace-choices.js";
import { runnersQuery } from "../../../../../api/queries/execution/runners.js";
import { sandboxQuery } from "../../../../../api/queries/execution/runs.js";
import { type Isolation, isolationOf } from "../isolation.js";
import { startDisabledReason } from "./start-reason.js";

interface Start {
  /** Why no run of the agent can start; undefined if one can. */
  reason: string | undefined;
  /** Why no session can; sessions need a folder on this server. */
  sessionReason: string | undefined;
  /** The isolation of commands on this server; undefined while unknown, and for a workspace without a folder. */
  isolation: Isolation | undefined;
}

/**
 * Tells how runs of an agent start: on this server, on a runner, or in the cluster.
 * @param forbidden why the viewer may not start any
 */
export function useStart(agent: Agent | undefined, forbidden: string | undefined): Start {
  const type = agent?.workspace_type ?? null;
  const { data: sandbox } = useQuery(sandboxQuery);
  const { data: runners } = useQuery({
    ...runnersQuery(agent?.organization_id ?? ""),
    enabled: type === "remote",
  });
  if (agent === undefined) {
    return { reason: forbidden, sessionReason: forbidden, isolation: undefined };
  }
  const isElsewhere = type !== null && !hasServerFolder(type);
  const isolation = sandbox && !isElsewhere ? isolationOf(sandbox, type) : undefined;
  const sessionReason = startDisabledReason(agent, forbidden, isolation);
  if (!isElsewhere) return { reason: sessionReason, sessionReason, isolation };
  const reason =
    startDisabledReason({ ...agent, workspace_type: null }, forbidden, undefined) ??
    (type === "kubernetes"
      ? sandbox?.kubernetes.available === false
        ? `The workspace is in the cluster. ${sandbox.kubernetes.reason}.`
        : undefined
      : runners?.length === 0
        ? "The workspace is remote, and no runner takes its runs; a super admin registers runners."
        : undefined);
  return { reason, sessionReason, isolation };
}
