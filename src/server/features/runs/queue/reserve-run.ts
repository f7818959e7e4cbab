import type { Queryable } from "../../../db/connection/connect.js";
import { AppError, notFound } from "../../../errors.js";
import { usageOf } from "../../usage/index.js";
import * as queries from "../runs.queries.js";

/** Why a run cannot start now but may later; null where it can. */
export type Wait = { error: AppError; detail: string } | null;

/**
 * Looks whether a run of the agent may start, in a change of the organization: exact under any number of
 * simultaneous starts and server processes, since every start looks under the same lock.
 * Those who wait come first: each of them counts as if it ran.
 * @param queued whether it is one that waited
 * @throws AppError 404; 409 `organization_archived`, `quota_exceeded` where the hours are used up
 */
export async function lookForPlace(tx: Queryable, agentId: string, queued: boolean): Promise<Wait> {
  const agent = await queries.findCandidate(tx, agentId);
  if (!agent || agent.terminated) throw notFound();
  if (agent.archived) {
    throw new AppError(
      "organization_archived",
      "The organization is archived and can only be read; its owner can restore it.",
    );
  }
  const { concurrent_agents: places, runtime_hours: hours } = usageOf(agent);
  if (hours.current >= hours.limit) throw quotaExceeded("max_agent_runtime_hours", hours);
  if (agent.busy) {
    return { error: runInProgress(), detail: "It waits for the end of the agent's present run." };
  }
  const waiting = queued ? 0 : agent.waiting;
  if (places.current + waiting >= places.limit) {
    const detail = `It waits for one of the organization's ${places.limit} places.`;
    return { error: quotaExceeded("max_concurrent_agents", places, waiting), detail };
  }
  return null;
}

export function runInProgress(): AppError {
  return new AppError("run_in_progress", "The agent has a run under way; stop it first.");
}

function quotaExceeded(
  quota: "max_concurrent_agents" | "max_agent_runtime_hours",
  figure: { current: number; limit: number },
  waiting = 0,
): AppError {
  const what = quota === "max_concurrent_agents" ? "agents at once" : "hours this month";
  const queue = waiting === 0 ? "" : ` (${waiting} wait in the queue)`;
  return new AppError(
    "quota_exceeded",
    `The organization's limit of ${figure.limit} ${what} is reached${queue}; wait, or have the limit raised.`,
    { quota, ...figure },
  );
}
