import type { Queryable } from "../../../../../db/connection/connect.js";
import { AppError } from "../../../../../errors.js";
import type { CallerContext } from "../../../../../http/requests/request-context.js";
import { promptTask, type PromptDelivery } from "../../../tasks/index.js";
import { updateAutomation } from "../../automations.queries.js";
import { decide, endActing, reopenFired, type Outcome } from "../../firings.queries.js";
import { isPassing, outcomeOf, record, refused } from "../outcomes.js";
import { fillAction, type AutomationDeps } from "../prepare.js";
import type { Work } from "../read-work.js";
import { pauseIfFailing } from "../rules/pause.js";
import { judgeOpen, withReplacement } from "./replacement.js";

/** Sends the prompt: the transaction that stores it also decides the firing. */
export async function sendPrompt(
  deps: AutomationDeps,
  context: CallerContext,
  { automation, firing, event, values, chain }: Work & { chain: number },
): Promise<Outcome | null> {
  const { taskId } = event;
  if (taskId === null) {
    return record(
      deps,
      firing,
      refused("The event belongs to no task, so no agent gets a prompt."),
    );
  }
  const { prompt: text } = fillAction(automation, values, event);
  if (firing.decision !== "acting") {
    const decided = await withReplacement(deps, context, () =>
      context.change(async (tx) => {
        const judged = await judgeOpen(tx, firing, taskId);
        if (judged?.decision === "fired") {
          await decide(tx, firing.id, { decision: "acting", reason: null, task_id: taskId, chain });
        }
        return judged;
      }),
    );
    if (decided?.decision !== "fired") return decided;
  }
  const fired: Outcome = { decision: "fired", reason: null, task_id: taskId, chain };
  const delivery: PromptDelivery = {
    stored: async (tx) => {
      if (!(await endActing(tx, firing.id, fired))) throw new AlreadySent();
      await updateAutomation(tx, automation.id, { last_fired_at: new Date().toISOString() });
    },
    // The program could not start: the error says why, and is recorded below.
    removed: async () => {},
  };
  try {
    await promptTask(deps.runs, context, taskId, { text }, delivery);
  } catch (error) {
    if (error instanceof AlreadySent) return null;
    if (!(error instanceof AppError) || isPassing(error)) throw error;
    const outcome = outcomeOf(error);
    await deps.db.tenant(firing.org_id, (tx) =>
      unfire(tx, firing.id, { ...outcome, task_id: null }),
    );
    if (outcome.decision === "failed") await pauseIfFailing(deps, firing.org_id, automation.id);
    return outcome;
  }
  return fired;
}

/** Another server has stored the prompt. */
class AlreadySent extends Error {}

/** Records that a prompt, though stored, was removed again. */
async function unfire(tx: Queryable, id: string, outcome: Outcome): Promise<void> {
  await reopenFired(tx, id);
  await endActing(tx, id, outcome);
}
