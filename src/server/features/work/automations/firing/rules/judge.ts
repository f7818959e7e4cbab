import type { Queryable } from "../../../../../db/connection/connect.js";
import { readTasks } from "../../../tasks/index.js";
import type { AutomationRow } from "../../automations.queries.js";
import { readUses, type Use } from "../../firing-use.queries.js";

/** Maximum queued firings of an automation. */
const MAX_QUEUED = 100;

export type Judgement =
  | { decision: "fired"; use: Use }
  | { decision: "queued" | "skipped" | "refused"; reason: string; use: Use }
  /** Fires once those under way beyond its limit have ended, oldest first: tasks, or checks. */
  | { decision: "replace"; oldest: string[]; use: Use };

type Limited = Pick<
  AutomationRow,
  "per_day" | "at_once" | "cost_usd_per_day" | "overlap" | "action"
>;

/**
 * Judges the limits of an automation. With its row locked, the judgement stays valid.
 * @param taskId the task that would get a prompt; null for another action
 */
export async function judge(
  tx: Queryable,
  automation: AutomationRow,
  taskId: string | null,
): Promise<Judgement> {
  const uses = await readUses(tx, [automation]);
  const [task] = taskId === null ? [] : await readTasks(tx, [taskId]);
  return judgeUse(automation, uses.get(automation.id) as Use, task);
}

/** Judges what an automation has used of its limits. @param task the task that would get a prompt */
export function judgeUse(
  { per_day, at_once, cost_usd_per_day, overlap, action }: Limited,
  use: Use,
  task?: { id: string; status: string },
): Judgement {
  if (use.firings >= per_day) {
    const times = per_day === 1 ? "once" : `${per_day} times`;
    return { decision: "refused", reason: `It has fired ${times} today, which is its limit.`, use };
  }
  if (cost_usd_per_day !== null && use.cost_usd >= cost_usd_per_day) {
    const spent = use.cost_usd.toFixed(2);
    const reason = `Its tasks have cost $${spent} today; its limit is $${cost_usd_per_day.toFixed(2)}.`;
    return { decision: "refused", reason, use };
  }
  const isBusy = task !== undefined && ["working", "merging"].includes(task.status);
  const isCheck = action.type === "run_check";
  const others = isCheck
    ? use.checks_under_way
    : use.under_way.filter((other) => other !== task?.id);
  const excess = others.length - at_once + 1;
  if (!isBusy && excess <= 0) return { decision: "fired", use };
  const reason = isBusy
    ? "The task's agent is still working."
    : others.length === 1
      ? "The last one still runs."
      : `${others.length} of its ${isCheck ? "checks" : "tasks"} are under way, which is its limit.`;
  if (overlap === "skip") return { decision: "skipped", reason, use };
  if (overlap === "queue") {
    return use.queued >= MAX_QUEUED
      ? { decision: "refused", reason: `${MAX_QUEUED} firings wait already.`, use }
      : { decision: "queued", reason, use };
  }
  return { decision: "replace", oldest: isBusy ? [task.id] : others.slice(0, excess), use };
}
