import { type Attempt, MAX_ATTEMPTS, type Task } from "#shared/api/work/tasks.js";
import { approvingPermissions } from "#shared/permissions.js";
import { allows, allowsAny, type Access } from "../../../access/access.js";
import { isPerson, type Actor } from "../../../access/authenticate.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { AppError, notFound } from "../../../errors.js";
import type { CallerContext } from "../../../http/requests/request-context.js";
import * as queries from "./tasks.queries.js";
import type { TaskRow } from "./tasks.queries.js";
import {
  isChildOfAgent,
  isTaskOfAgent,
  type ReadAttempt,
  readAttempts,
  type ReadTask,
  readTasks,
} from "./queries/read-tasks.queries.js";

/** The caller who reads a task. */
export type Reader = Pick<CallerContext, "actor" | "access" | "orgId">;

/** Counts what an attempt changes; null if that is unknown. */
export type CountChanges = (attempt: ReadAttempt, task: TaskRow) => Promise<Attempt["changes"]>;

/**
 * Finds a task that the caller changes, and locks it.
 * @throws AppError 404, also for a task that the caller's agent does not see; 403 for an agent's own task
 */
export async function requireTask(tx: Queryable, actor: Actor, id: string): Promise<TaskRow> {
  const task = await queries.lockTask(tx, id);
  if (!task || !(await isVisible(tx, actor, id))) throw notFound();
  if (actor.agent !== null && !(await isChildOfAgent(tx, id, actor.agent.id))) {
    throw new AppError(
      "insufficient_permission",
      "An agent directs only tasks that it has created.",
    );
  }
  return task;
}

/** Reads a task. @throws AppError 404 */
export async function readTask(
  context: CallerContext,
  id: string,
  countChanges: CountChanges,
): Promise<Task> {
  const found = await context.tx(async (tx) => {
    if (!(await isVisible(tx, context.actor, id))) return undefined;
    const [task] = await presentTasks(tx, context, [id]);
    return task;
  });
  if (!found || found.row.is_undone) throw notFound();
  const attempts = await Promise.all(
    found.attempts.map(async (attempt, index) => ({
      ...(found.task.attempts[index] as Attempt),
      changes: await countChanges(attempt, found.row),
    })),
  );
  return { ...found.task, attempts };
}

/** Whether the caller sees a task: an agent its own and its child tasks, a second opinion the one that it is about. */
export async function isVisible(
  tx: Queryable,
  { agent, opinion }: Actor,
  id: string,
): Promise<boolean> {
  if (opinion) return opinion.taskId === id;
  return agent === null || isTaskOfAgent(tx, id, agent.id);
}

interface PresentedTask {
  task: Task;
  row: ReadTask;
  attempts: ReadAttempt[];
}

/** Reads tasks in the order of their ids' list, without what git counts. */
export async function presentTasks(
  tx: Queryable,
  reader: Reader,
  ids: readonly string[],
): Promise<PresentedTask[]> {
  const rows = await readTasks(tx, ids);
  const attempts = await readAttempts(tx, ids);
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.flatMap((id) => {
    const row = byId.get(id);
    if (!row) return [];
    const own = attempts.filter((attempt) => attempt.task_id === id);
    return [{ task: present(row, own, reader), row, attempts: own }];
  });
}

function present(row: ReadTask, attempts: readonly ReadAttempt[], reader: Reader): Task {
  const shown = attempts.map(
    ({ task_id: _t, tokens: _k, parent_commit: _p, requester_id: _r, ...attempt }) => attempt,
  );
  const main = mainAttempt(row, shown);
  const { owner_id, owner_name } = row;
  return {
    id: row.id,
    organization_id: row.org_id,
    project_id: row.project_id,
    project_name: row.project_name,
    parent_task_id: row.parent_task_id,
    number: row.number,
    title: row.title,
    body: row.body,
    status: row.status,
    owner: owner_id === null || owner_name === null ? null : { id: owner_id, name: owner_name },
    assignees: assigneesOf(row, attempts),
    labels: row.labels,
    priority: row.priority,
    depends_on: row.depends_on,
    source: row.source,
    trust: row.trust,
    branch: main?.branch ?? null,
    attempts: shown,
    chosen_attempt_id: row.chosen_attempt_id,
    pull_request: row.pull_request,
    cost_usd: attempts.reduce((sum, { cost_usd }) => sum + cost_usd, 0),
    model_tokens: attempts.reduce((sum, { tokens }) => sum + tokens, 0),
    attention: row.attention && { ...row.attention, link: `/tasks/${row.id}` },
    actions: actionsOf(row, attempts, reader),
    created_by: row.created_by,
    created_at: row.created_at,
    updated_at: row.updated_at,
    finished_at: row.finished_at,
  };
}

/** The people assigned to a task, and the agents of its attempts that are not archived. */
function assigneesOf({ people }: ReadTask, attempts: readonly ReadAttempt[]): Task["assignees"] {
  const live = attempts.filter(({ status }) => status !== "archived");
  return [
    ...people.map(({ id, name }) => ({ type: "person" as const, id, name })),
    ...live.map(({ agent_id: id, agent_name: name }) => ({ type: "agent" as const, id, name })),
  ];
}

/** Returns the chosen or only attempt that is not archived. */
export function mainAttempt<Shown extends Pick<Attempt, "id" | "status">>(
  { chosen_attempt_id }: Pick<TaskRow, "chosen_attempt_id">,
  attempts: readonly Shown[],
): Shown | undefined {
  const present = attempts.filter(({ status }) => status !== "archived");
  if (chosen_attempt_id !== null) return attempts.find(({ id }) => id === chosen_attempt_id);
  return present.length === 1 ? present[0] : undefined;
}

const yes = { allowed: true, reason: null } as const;
const no = (reason: string) => ({ allowed: false, reason }) as const;
const held = no("The text of the task is by people from outside; release it first.");

/** Tells what a caller may do with a task now. */
function actionsOf(
  row: ReadTask,
  attempts: readonly ReadAttempt[],
  { actor, access }: Reader,
): Task["actions"] {
  const main = mainAttempt(row, attempts);
  const isFinished = row.resolution !== null;
  const finished = no(row.resolution === "done" ? "The task is done." : "The task is canceled.");
  const many = no(
    attempts.length === 0 ? "The task has not started." : "Choose one of the attempts first.",
  );
  const writes = (then: () => { allowed: boolean; reason: string | null }) =>
    allows(access, "project:task:write") ? then() : no("You may not change tasks.");
  // A turn that waits for a permission goes on, too.
  const goesOn =
    attempts.some(({ status }) => isUnderWay(status)) || row.attention?.kind === "permission";
  const present = attempts.filter(({ status }) => status !== "archived");
  const isHeld = row.held_since !== null;
  const canRetry = present.some(({ status }) => status === "failed" || status === "stopped");
  return {
    // Among several attempts, the prompt names one.
    prompt: writes(() => {
      if (row.resolution === "cancelled") return finished;
      return present.length > 0 ? yes : many;
    }),
    stop: writes(() => (goesOn ? yes : no("Nothing is running."))),
    release: writes(() => {
      if (!isHeld) return no("The task does not wait for a release.");
      if (isFinished) return finished;
      return isPerson(actor) ? yes : no("Only a person releases a task.");
    }),
    retry: writes(() => {
      if (isFinished) return finished;
      if (isHeld) return held;
      if (present.length === 0) return yes;
      return canRetry ? yes : no("No attempt has failed or was stopped.");
    }),
    merge: writes(() => {
      if (!allows(access, "agent:workspace:merge")) return no("You may not merge workspaces.");
      if (isFinished) return finished;
      if (!main) return many;
      if (main.merge_request) return no("It is already in the merge queue.");
      if (isUnderWay(main.status)) return no("The agent is still working.");
      if (main.status === "archived") return no("Its workspace is archived.");
      const isUnchanged = main.head_commit === null || main.head_commit === main.parent_commit;
      return isUnchanged ? no("There is nothing to merge.") : yes;
    }),
    open_pull_request: writes(() => {
      if (!row.is_linked) return no("The project is not linked to a repository on a forge.");
      if (isFinished) return finished;
      if (!main) return many;
      if (isUnderWay(main.status)) return no("The agent is still working.");
      if (main.status === "archived") return no("Its workspace is archived.");
      const isUnchanged = main.head_commit === null || main.head_commit === main.parent_commit;
      return isUnchanged ? no("There is nothing to propose.") : yes;
    }),
    approve: approveAction(main, actor, access),
    attempt: writes(() => {
      if (isFinished) return finished;
      if (isHeld) return held;
      return present.length < MAX_ATTEMPTS
        ? yes
        : no(`A task has at most ${MAX_ATTEMPTS} attempts.`);
    }),
    cancel: writes(() => (isFinished ? finished : yes)),
    update: writes(() => yes),
  };
}

export const isUnderWay = (status: Attempt["status"]): boolean =>
  status === "starting" || status === "working";

function approveAction(main: ReadAttempt | undefined, actor: Actor, access: Access) {
  if (main?.merge_request?.status !== "waiting_for_approval") {
    return no("No merge waits for an approval.");
  }
  if (!isPerson(actor)) return no("Only a person can approve.");
  if (main.requester_id === actor.userId) {
    return no("You asked for this merge; someone else has to approve it.");
  }
  return allowsAny(access, approvingPermissions) ? yes : no("You may not approve merges.");
}
