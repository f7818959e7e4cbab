import { AppError, notFound } from "../../../../errors.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { usageOf } from "../../../organization/usage/index.js";
import * as managed from "../managed-runs.queries.js";
import type { Candidate } from "../runs.queries.js";

/** Maximum length of an organization's queue. */
const MAX_QUEUE_LENGTH = 1000;

/** Why a run cannot start now but can later; null if it can. */
export type Wait = { error: AppError; detail: string } | null;

/**
 * Checks whether a run of the agent may start, within a change of the organization. Exact for
 * concurrent starts on any number of processes, because all of them check under the same lock. Queued
 * runs have priority: each counts as if it were running.
 * @param agent read under the organization's lock
 * @param queued whether the run comes from the queue
 * @throws AppError 404; 409 `organization_archived`, `quota_exceeded` when the hours are used up
 */
export function checkCapacity(agent: Candidate | undefined, queued: boolean): Wait {
  if (!agent || agent.terminated) throw notFound();
  if (agent.archived) {
    throw new AppError(
      "organization_archived",
      "The organization is archived and read-only; its owner can restore it.",
    );
  }
  const { concurrent_agents: places, runtime_hours: hours } = usageOf(agent);
  if (hours.current >= hours.limit) throw quotaExceeded("max_agent_runtime_hours", hours);
  if (agent.busy) {
    return { error: runInProgress(), detail: "Waiting for the agent's current run to end." };
  }
  const waiting = queued ? 0 : agent.waiting;
  if (places.current + waiting >= places.limit) {
    const detail = `Waiting for one of the organization's ${places.limit} slots.`;
    return { error: quotaExceeded("max_concurrent_agents", places, waiting), detail };
  }
  return null;
}

export function runInProgress(): AppError {
  return new AppError("run_in_progress", "The agent already has a run; stop it first.");
}

function quotaExceeded(
  quota: "max_concurrent_agents" | "max_agent_runtime_hours",
  figure: { current: number; limit: number },
  waiting = 0,
): AppError {
  const what = quota === "max_concurrent_agents" ? "agents at once" : "hours this month";
  const queue = waiting === 0 ? "" : ` (${waiting} are queued)`;
  return new AppError(
    "quota_exceeded",
    `The organization's limit of ${figure.limit} ${what} is reached${queue}; wait, or ask for a higher limit.`,
    { quota, ...figure },
  );
}

/** @throws AppError 409 `queue_full` */
export async function requireQueueSpace(tx: Queryable, orgId: string): Promise<void> {
  if ((await managed.countQueued(tx, orgId)) < MAX_QUEUE_LENGTH) return;
  throw new AppError(
    "queue_full",
    `${MAX_QUEUE_LENGTH} runs are already queued; try again when some of them have started.`,
  );
}
