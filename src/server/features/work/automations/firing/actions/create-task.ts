import { AppError } from "../../../../../errors.js";
import type { CallerContext } from "../../../../../http/requests/request-context.js";
import type { Queryable } from "../../../../../db/connection/connect.js";
import { isMember, reserveTasks, resolveLaunch, type ReservedTask } from "../../../tasks/index.js";
import { updateAutomation } from "../../automations.queries.js";
import { decide, type Outcome } from "../../firings.queries.js";
import { fillAction, type AutomationDeps } from "../prepare.js";
import type { Work } from "../read-work.js";
import { judgeOpen, withReplacement } from "./replacement.js";

/** A task that a firing is to create, but for its owner. */
export type PlannedTask = Omit<ReservedTask, "owner_id">;

/**
 * Makes the task of a firing; null without a project.
 * @throws AppError 409 `project_not_ready`; 422 without a program
 */
export async function planTask(
  deps: AutomationDeps,
  { automation, event, values, project }: Work,
): Promise<PlannedTask | null> {
  const { action, project_id, id, service_account_id, origin } = automation;
  if (action.type !== "create_task" || !project) return null;
  const { title, prompt: body } = fillAction(automation, values, event);
  if (project.status !== "ready") {
    throw new AppError("project_not_ready", "The project is not ready.");
  }
  // Who calls a webhook has its token; a forge shows what anyone writes.
  const isFromOutside = event.trust === "untrusted" && !Object.hasOwn(event.values, "payload");
  return {
    project_id,
    title: title ?? automation.name,
    body,
    labels: [...(action.labels ?? [])],
    source: { kind: "automation", url: null, id },
    trust: isFromOutside ? "untrusted" : "trusted",
    isHeld: isFromOutside && project.hold_untrusted_tasks,
    launch: await resolveLaunch(deps.runs, project, action, body),
    attempts: action.attempts ?? 1,
    // Automations of the same actor may be saved by different requests.
    origin: service_account_id === null ? origin : null,
  };
}

/** Creates the task in the transaction that decides the firing, so that a crash repeats neither. */
export async function createTask(
  deps: AutomationDeps,
  context: CallerContext,
  work: Work & { chain: number },
): Promise<Outcome | null> {
  const { automation, firing, chain } = work;
  const planned = await planTask(deps, work);
  if (planned === null) return null;
  return withReplacement(deps, context, () =>
    context.change(async (tx, audit) => {
      const judged = await judgeOpen(tx, firing, null);
      if (judged === null || judged.decision !== "fired") return judged;
      const owner_id = await presentOwner(tx, automation);
      const [taskId = null] = await reserveTasks(tx, audit, context, [{ ...planned, owner_id }]);
      const outcome: Outcome = { decision: "fired", reason: null, task_id: taskId, chain };
      await decide(tx, firing.id, outcome);
      await updateAutomation(tx, automation.id, { last_fired_at: new Date().toISOString() });
      return outcome;
    }),
  );
}

/** Returns the owner of an automation's tasks: its own, while a member of the organization. */
export async function presentOwner(
  tx: Queryable,
  { org_id, owner_id }: Pick<Work["automation"], "org_id" | "owner_id">,
): Promise<string | null> {
  return owner_id !== null && (await isMember(tx, org_id, owner_id)) ? owner_id : null;
}
