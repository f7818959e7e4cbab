import type { Queryable } from "../../../../../db/connection/connect.js";
import type { CallerContext } from "../../../../../http/requests/request-context.js";
import {
  cancelChecksOf,
  commitToCheck,
  findCheck,
  queueCheck,
  type CheckSubject,
} from "../../../../code/workspaces/index.js";
import { mainAttempt, readAttempts, readTasks } from "../../../tasks/index.js";
import { updateAutomation, lockAutomation } from "../../automations.queries.js";
import { decide, lockOpenFiring, type Outcome } from "../../firings.queries.js";
import { textOf } from "../../values.js";
import { record, refused } from "../outcomes.js";
import type { AutomationDeps, SeenEvent } from "../prepare.js";
import type { Work } from "../read-work.js";
import { judge } from "../rules/judge.js";
import { pauseIfFailing } from "../rules/pause.js";
import { pausedMeanwhile } from "./replacement.js";

/**
 * Chooses what a check runs on: the work of the event's task, the event's branch, or the default branch. Returns the
 * reason if there is nothing to check.
 */
export async function subjectOf(
  tx: Queryable,
  { taskId, values }: Pick<SeenEvent, "taskId" | "values">,
  defaultBranch: string,
): Promise<CheckSubject | { reason: string }> {
  if (taskId !== null) return workOfTask(tx, taskId);
  if (values["pull_request"] !== undefined) {
    return { reason: "The pull request belongs to no task, so its commits are not here." };
  }
  const branch = textOf(values["branch"]);
  if (branch === "") return { agent_id: null, branch: defaultBranch, head: null };
  const commit = textOf(values["commit"]);
  return { agent_id: null, branch, head: /^[0-9a-f]{40,64}$/.test(commit) ? commit : null };
}

async function workOfTask(
  tx: Queryable,
  taskId: string,
): Promise<CheckSubject | { reason: string }> {
  const [task] = await readTasks(tx, [taskId]);
  const attempts = await readAttempts(tx, [taskId]);
  const main = task && mainAttempt(task, attempts);
  if (main === undefined) {
    return { reason: "The task has no chosen attempt, so it is open which work to check." };
  }
  const { agent_id, base_branch: branch, head_commit: head } = main;
  if (head === null) return { reason: "The task has no commits yet." };
  return { agent_id, branch, head };
}

/** Queues the check in the transaction that decides the firing. Its result is shown with the firing. */
export async function runCheck(
  deps: AutomationDeps,
  context: CallerContext,
  { automation, firing, event, project, chain }: Work & { chain: number },
): Promise<Outcome | null> {
  const { action, org_id, project_id, id } = automation;
  if (action.type !== "run_check" || !project) return null;
  const subject = await deps.db.tenant(org_id, (tx) =>
    subjectOf(tx, event, project.default_branch),
  );
  if ("reason" in subject) return record(deps, firing, refused(subject.reason));
  const found = await commitToCheck(deps.runs, { org_id, project_id }, subject);
  if ("reason" in found) return record(deps, firing, refused(found.reason));
  const outcome = await context.change(async (tx): Promise<Outcome | null> => {
    const judged = await judgeCheck(tx, firing);
    if (judged?.decision !== "fired") return judged;
    const check = await findCheck(tx, project_id, action.name);
    const decided: Outcome =
      check === undefined
        ? { decision: "failed", reason: `The project no longer has a check named ${action.name}.` }
        : { ...judged, chain };
    await decide(tx, firing.id, decided);
    if (check === undefined) return decided;
    const { agent_id, branch } = subject;
    const of = { org_id, project_id, agent_id, branch, firing_id: firing.id };
    await queueCheck(tx, { ...of, commit_sha: found.commit }, check);
    await updateAutomation(tx, id, { last_fired_at: new Date().toISOString() });
    return decided;
  });
  if (outcome?.decision === "failed") await pauseIfFailing(deps, org_id, id);
  if (outcome?.decision === "fired") await deps.runs.jobs.send("start-checks", {});
  return outcome;
}

/** Judges a firing with its rows locked. A check that it replaces is canceled in the same transaction. */
async function judgeCheck(tx: Queryable, firing: Work["firing"]): Promise<Outcome | null> {
  const automation = await lockAutomation(tx, firing.automation_id);
  const open = automation && (await lockOpenFiring(tx, firing.id));
  if (!open) return null;
  let outcome: Outcome = { decision: "fired", reason: null };
  if (automation.status !== "active" && firing.type !== "manual") outcome = pausedMeanwhile;
  else {
    const judged = await judge(tx, automation, null);
    if (judged.decision === "replace") {
      const which = { automationId: automation.id, ids: judged.oldest };
      await cancelChecksOf(tx, which, "A later event of its automation has replaced it.");
    } else if (judged.decision !== "fired") {
      outcome = { decision: judged.decision, reason: judged.reason };
    }
  }
  if (outcome.decision !== "fired") await decide(tx, firing.id, outcome);
  return outcome;
}
