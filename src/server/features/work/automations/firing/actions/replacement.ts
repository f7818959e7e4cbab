import type { Queryable } from "../../../../../db/connection/connect.js";
import { AppError } from "../../../../../errors.js";
import type { CallerContext } from "../../../../../http/requests/request-context.js";
import { stopTask } from "../../../tasks/index.js";
import { lockAutomation } from "../../automations.queries.js";
import { decide, lockOpenFiring, type FiringRow, type Outcome } from "../../firings.queries.js";
import type { AutomationDeps } from "../prepare.js";
import { judge } from "../rules/judge.js";

/** Tasks that one firing stops: as many as may be under way, and one that was started meanwhile. */
const MAX_REPLACED = 20;

type Decided = Outcome | { decision: "replace"; taskIds: string[] } | null;

/**
 * Judges a firing with its rows locked, and records a judgement that it does not act.
 * @param taskId the task that would get a prompt; null for another action
 */
export async function judgeOpen(
  tx: Queryable,
  firing: FiringRow,
  taskId: string | null,
): Promise<Decided> {
  const automation = await lockAutomation(tx, firing.automation_id);
  const open = automation && (await lockOpenFiring(tx, firing.id));
  if (!open) return null;
  if (automation.status !== "active" && firing.type !== "manual") {
    const outcome = pausedMeanwhile;
    await decide(tx, firing.id, outcome);
    return outcome;
  }
  const judged = await judge(tx, automation, taskId);
  if (judged.decision === "replace") return { decision: "replace", taskIds: judged.oldest };
  if (judged.decision === "fired") return { decision: "fired", reason: null };
  const outcome: Outcome = { decision: judged.decision, reason: judged.reason };
  await decide(tx, firing.id, outcome);
  return outcome;
}

export const pausedMeanwhile: Outcome = {
  decision: "skipped",
  reason: "It was paused meanwhile.",
};

/** Stops the tasks that a firing replaces, and judges again. */
export async function withReplacement(
  deps: AutomationDeps,
  context: CallerContext,
  attempt: () => Promise<Decided>,
): Promise<Outcome | null> {
  for (let stopped = 0; ; stopped += 1) {
    const decided = await attempt();
    if (decided?.decision !== "replace") return decided;
    if (stopped >= MAX_REPLACED) {
      throw new AppError("unavailable", "The task that it replaces does not stop.");
    }
    const { taskIds } = decided as { taskIds: string[] };
    for (const taskId of taskIds) await stopTask(deps.runs, context, taskId);
  }
}
