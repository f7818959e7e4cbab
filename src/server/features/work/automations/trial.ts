import type { EventInput, Trial } from "#shared/api/work/automations.js";
import { allows } from "../../../access/access.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { AppError, invalidField, notFound } from "../../../errors.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import { findProjectForTask, readTasks, resolveLaunch } from "../tasks/index.js";
import { findCheck } from "../../code/workspaces/index.js";
import { findRow, type AutomationRow } from "./automations.queries.js";
import { readAutomation } from "./automations.js";
import { exampleOf } from "./example-event.js";
import { subjectOf } from "./firing/actions/run-check.js";
import { ActorGone, contextOfAutomation } from "./firing/rules/acting-context.js";
import { judge } from "./firing/rules/judge.js";
import { fillAction, valuesOf, type AutomationDeps, type SeenEvent } from "./firing/prepare.js";
import { findLastFiring } from "./firings.queries.js";
import { holds } from "./values.js";

/** What an automation needs: to create a task, and to start an agent. */
const NEEDED = ["project:task:write", "agent:run"] as const;

/** Returns the event of a request, with the task that it names. @throws AppError 422 */
export async function givenEvent(
  tx: Queryable,
  projectId: string,
  { type, values = {}, task_id }: EventInput,
): Promise<SeenEvent> {
  if (task_id !== undefined) {
    const [task] = await readTasks(tx, [task_id]);
    if (task?.project_id !== projectId) {
      throw invalidField("event.task_id", "names no task of this project", "unknown_id");
    }
  }
  const at = new Date().toISOString();
  const trust = type === "webhook" ? "untrusted" : "trusted";
  return { type, by: null, at, trust, values, taskId: task_id ?? null };
}

async function eventToTry(
  tx: Queryable,
  automation: AutomationRow,
  given: EventInput | undefined,
): Promise<{ event: SeenEvent; from: Trial["event"]["from"] }> {
  if (given !== undefined) {
    return { event: await givenEvent(tx, automation.project_id, given), from: "given" };
  }
  const last = await findLastFiring(tx, automation.id);
  if (last !== undefined && last.type !== "manual") {
    const { type, at, event_task_id: taskId } = last;
    const { by, trust, values } = last.event;
    return { event: { type, by, at, trust, values: values ?? {}, taskId }, from: "last_firing" };
  }
  return { event: exampleOf(automation), from: "example" };
}

/**
 * Shows what an event would do, without doing it.
 * @throws AppError 404; 422 for an event whose task is not of the project
 */
export async function tryAutomation(
  deps: AutomationDeps,
  context: OrgContext,
  projectId: string,
  id: string,
  given: EventInput | undefined,
): Promise<Trial> {
  const { automation, acts_as, limits, tried, values, judged, subject } = await context.tx(
    async (tx) => {
      const found = await readAutomation(tx, projectId, id);
      const row = await findRow(tx, id);
      if (!row) throw notFound();
      const { event, from } = await eventToTry(tx, row, given);
      return {
        ...found,
        automation: row,
        tried: { event, from },
        values: await valuesOf(tx, deps, row, event),
        judged: await judge(tx, row, row.action.type === "prompt_task" ? event.taskId : null),
        subject: await checkOf(tx, row, event),
      };
    },
  );
  const { event, from } = tried;
  const { title, prompt } = fillAction(automation, values, event);
  const { decision, reason } = decisionOf(
    automation,
    event,
    judged,
    holds(automation.filter, values),
  );
  const acting = await actingOf(deps, automation);
  const unchecked =
    subject !== null && "reason" in subject
      ? ({ decision: "refused", reason: subject.reason } as const)
      : null;
  const program = await programOf(deps, context, automation, prompt);
  const fault = acting.fault ?? program.fault ?? unchecked;
  const { use } = judged;
  return {
    ...(fault === null || decision === "skipped" ? { decision, reason } : fault),
    event: { type: event.type, from },
    title,
    prompt: automation.action.type === "run_check" ? null : prompt,
    check: subject !== null && "name" in subject ? subject : null,
    acts_as,
    permissions: acting.permissions,
    program: program.preset,
    today: {
      firings: use.firings,
      under_way: use.under_way.length + use.checks_under_way.length,
      cost_usd: use.cost_usd,
    },
    limits,
  };
}

/** Finds what a check would run on; null for another action. */
async function checkOf(
  tx: Queryable,
  { action, project_id }: AutomationRow,
  event: SeenEvent,
): Promise<Trial["check"] | { reason: string }> {
  if (action.type !== "run_check") return null;
  const project = await findProjectForTask(tx, project_id);
  if (!project) throw notFound();
  const { name } = action;
  if ((await findCheck(tx, project_id, name)) === undefined) {
    return { reason: `The project has no check named ${name}.` };
  }
  const subject = await subjectOf(tx, event, project.default_branch);
  if ("reason" in subject) return subject;
  return { name, branch: subject.branch, commit_sha: subject.head };
}

type Decision = Pick<Trial, "decision" | "reason">;

function decisionOf(
  automation: AutomationRow,
  event: SeenEvent,
  judged: Awaited<ReturnType<typeof judge>>,
  isMatching: boolean,
): Decision {
  if (!isMatching && event.type !== "manual") {
    return { decision: "skipped", reason: "The filter does not hold." };
  }
  if (automation.status !== "active") {
    return { decision: "skipped", reason: automation.status_reason ?? "It is not active." };
  }
  if (automation.action.type === "prompt_task" && event.taskId === null) {
    const reason = "The event belongs to no task, so no agent gets a prompt.";
    return { decision: "refused", reason };
  }
  if (judged.decision === "replace") {
    const what = automation.action.type === "run_check" ? "checks" : "tasks";
    return { decision: "fired", reason: `It stops the oldest of its ${what} under way first.` };
  }
  return judged.decision === "fired"
    ? { decision: "fired", reason: null }
    : { decision: judged.decision, reason: judged.reason };
}

async function actingOf(
  { runs }: AutomationDeps,
  automation: AutomationRow,
): Promise<{ permissions: Trial["permissions"]; fault: Decision | null }> {
  try {
    const { access } = await contextOfAutomation(runs, automation);
    const permissions = NEEDED.map((permission) => ({
      permission,
      allowed: allows(access, permission),
    }));
    const missing = permissions.find(({ allowed }) => !allowed);
    return {
      permissions,
      fault: missing
        ? { decision: "refused", reason: `It lacks the permission ${missing.permission}.` }
        : null,
    };
  } catch (error) {
    if (!(error instanceof ActorGone) && !(error instanceof AppError)) throw error;
    return {
      permissions: NEEDED.map((permission) => ({ permission, allowed: false })),
      fault: { decision: "refused", reason: error.message },
    };
  }
}

/** Finds the program that a task would start with. */
async function programOf(
  { runs }: AutomationDeps,
  context: OrgContext,
  { action, project_id }: AutomationRow,
  prompt: string,
): Promise<{ preset: string | null; fault: Decision | null }> {
  if (action.type !== "create_task") return { preset: null, fault: null };
  const project = await context.tx((tx) => findProjectForTask(tx, project_id));
  if (!project) throw notFound();
  try {
    const { preset } = await resolveLaunch(runs, project, action, prompt);
    return { preset, fault: null };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { preset: null, fault: { decision: "failed", reason: error.message } };
  }
}
