import type { CallerContext } from "../../../../http/requests/request-context.js";
import { deleteFirings, type FiringRow, type Outcome } from "../firings.queries.js";
import { createTask } from "./actions/create-task.js";
import { sendPrompt } from "./actions/send-prompt.js";
import { runCheck } from "./actions/run-check.js";
import { judgeEvent, record, recordError } from "./outcomes.js";
import type { AutomationDeps } from "./prepare.js";
import { readWork, type Work } from "./read-work.js";
import { contextOfAutomation } from "./rules/acting-context.js";

/** Acts for a firing, and decides it. Returns null if it stays open or needs no decision. */
type Act = (
  deps: AutomationDeps,
  context: CallerContext,
  work: Work & { chain: number },
) => Promise<Outcome | null>;

const actions: Record<Work["automation"]["action"]["type"], Act> = {
  create_task: createTask,
  prompt_task: sendPrompt,
  run_check: runCheck,
};

/** Decides a firing that this server has claimed. Returns null if nothing was to be decided. */
export async function fire(deps: AutomationDeps, firing: FiringRow): Promise<Outcome | null> {
  const [work] = await deps.db.tenant(firing.org_id, (tx) => readWork(tx, deps, [firing]));
  return work === undefined ? null : fireWork(deps, work);
}

/** Decides a firing with what was read about it. */
export async function fireWork(deps: AutomationDeps, work: Work): Promise<Outcome | null> {
  const { automation, firing } = work;
  try {
    const judged = judgeEvent(work);
    if (judged === null) {
      await deps.db.tenant(firing.org_id, (tx) => deleteFirings(tx, [firing.id]));
      return null;
    }
    if ("decision" in judged) return await record(deps, firing, judged);
    const context = await contextOfAutomation(deps.runs, automation);
    const act = actions[automation.action.type];
    return await act(deps, context, { ...work, chain: judged.chain });
  } catch (error) {
    return recordError(deps, work, error);
  }
}
