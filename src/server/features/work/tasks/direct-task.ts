import type { Task } from "#shared/api/work/tasks.js";
import { MAX_ATTEMPTS } from "#shared/api/work/tasks.js";
import { needsQueue, protectionOf } from "#shared/code/protection.js";
import { requirePermission } from "../../../access/access.js";
import { authorizedWrites } from "../../../access/current-access.js";
import { diffFields } from "../../../db/audit/audit.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { AppError, notFound } from "../../../errors.js";
import type { CallerContext, OrgContext } from "../../../http/requests/request-context.js";
import {
  enqueueMerge,
  mergeWorkspace,
  readProtectedBranches,
} from "../../code/workspaces/index.js";
import { endRuns, waitForEnd } from "../../execution/run-ends/index.js";
import { dropPrompts, type RunDeps } from "../../execution/runs/start.js";
import { listAssigneeIds, setAssignees } from "./queries/assignees.queries.js";
import {
  ownerOf,
  requireAssignees,
  requireDependencies,
  requireStart,
  targetOf,
} from "./create-task.js";
import { insertAttempts, resolveLaunch, type LaunchInput } from "./make-attempts.js";
import { isUnderWay, isVisible, mainAttempt, requireTask } from "./read-task.js";
import { startAttempt } from "./start-attempt.js";
import * as queries from "./tasks.queries.js";
import type { TaskRow } from "./tasks.queries.js";
import { type AttemptRow, listAttempts, updateAttempt } from "./queries/attempts.queries.js";
import { findProjectForTask } from "./queries/create-task.queries.js";
import {
  branchOfDependencies,
  setDependencies,
  wouldWaitForItself,
} from "./queries/dependencies.queries.js";
import { type ReadAttempt, readAttempts, readTasks } from "./queries/read-tasks.queries.js";

interface TaskChanges {
  title?: string | undefined;
  body?: string | undefined;
  status?: "open" | "done" | undefined;
  labels?: string[] | undefined;
  priority?: Task["priority"] | undefined;
  owner?: string | undefined;
  assignees?: string[] | undefined;
  depends_on?: string[] | undefined;
}

/** Changes a task, finishes it or opens it again. @throws AppError 404; 422 `task_cycle` and others */
export async function updateTask(
  context: CallerContext,
  id: string,
  { status, owner, assignees, depends_on, ...fields }: TaskChanges,
): Promise<void> {
  await context.change(async (tx, audit) => {
    const before = await requireTask(tx, context.actor, id);
    if (depends_on !== undefined) {
      await requireDependencies(tx, before.project_id, depends_on);
      if (await wouldWaitForItself(tx, id, depends_on)) {
        throw new AppError("task_cycle", "The task would wait for itself.");
      }
      await setDependencies(tx, context.orgId, id, depends_on);
    }
    const assigned = await listAssigneeIds(tx, id);
    if (assignees !== undefined) {
      await requireAssignees(tx, context.orgId, assignees);
      await setAssignees(tx, context.orgId, id, assignees);
    }
    const given = Object.entries(fields).filter(([, value]) => value !== undefined);
    await queries.updateTask(tx, id, {
      ...Object.fromEntries(given),
      ...(owner !== undefined && { owner_id: await ownerOf(tx, context, owner) }),
      // An unstarted task gets the new text.
      ...(fields.body !== undefined &&
        before.launch !== null && { launch: { ...before.launch, prompt: fields.body } }),
      ...resolutionOf(status, before),
    });
    await queries.refreshTask(tx, id);
    const after = await requireTask(tx, context.actor, id);
    const changed = diffFields(
      { ...before, assignees: assigned },
      { ...after, assignees: await listAssigneeIds(tx, id) },
      ["title", "priority", "owner_id", "assignees", "labels", "resolution"],
    );
    if (Object.keys(changed).length === 0) return;
    audit({ action: "task.updated", target: targetOf(after), changes: changed });
  });
}

function resolutionOf(status: TaskChanges["status"], { resolution }: TaskRow) {
  // The attempts of a canceled task are archived, the chosen one, too.
  const chosen = resolution === "cancelled" ? { chosen_attempt_id: null } : {};
  if (status === "done" && resolution !== "done") {
    const finished_at = new Date().toISOString();
    return { resolution: "done" as const, finished_at, launch: null, ...chosen };
  }
  if (status === "open" && resolution !== null) {
    return { resolution: null, finished_at: null, ...chosen };
  }
  return {};
}

export const finished = ({ resolution }: TaskRow): AppError =>
  new AppError(
    "task_finished",
    `The task is ${resolution === "done" ? "done" : "canceled"}; reopen it first.`,
  );

/** @throws AppError 409 `task_held` */
export function requireReleased({ held_since }: TaskRow): void {
  if (held_since === null) return;
  throw new AppError(
    "task_held",
    "The text of the task is by people from outside; read it, then release the task.",
  );
}

type AddedAttempts = LaunchInput & {
  count?: number | undefined;
  prompt?: string | undefined;
  /** Whether none is added to a task that has attempts. */
  isFirst?: boolean;
};

/** Starts further attempts beside the present ones. @throws AppError 409 `task_finished`, `task_held`, `too_many_attempts` and others */
export async function addAttempts(
  deps: RunDeps,
  context: CallerContext,
  id: string,
  { count = 1, prompt, isFirst = false, ...input }: AddedAttempts,
): Promise<void> {
  requireStart(context);
  const { task, project } = await context.tx(async (tx) => {
    const [found] = await readTasks(tx, [id]);
    const of = found && (await findProjectForTask(tx, found.project_id));
    if (!found || !of) throw notFound();
    return { task: found, project: of };
  });
  requireReleased(task);
  const launch = await resolveLaunch(deps, project, input, prompt ?? task.body);
  const made = await context.change(async (tx, audit) => {
    const current = await requireTask(tx, context.actor, id);
    if (current.resolution !== null) throw finished(current);
    requireReleased(current);
    const attempts = await listAttempts(tx, id);
    if (isFirst && attempts.length > 0) return [];
    const states = await readAttempts(tx, [id]);
    const present = states.filter(({ status }) => status !== "archived");
    if (present.length + count > MAX_ATTEMPTS) {
      throw new AppError(
        "too_many_attempts",
        `A task has at most ${MAX_ATTEMPTS} attempts; choose one of them, or ask for fewer.`,
      );
    }
    const first = (attempts.at(-1)?.number ?? 0) + 1;
    const baseBranch = (await branchOfDependencies(tx, id)) ?? project.default_branch;
    const ids = await insertAttempts(tx, audit, context, current, {
      launch,
      count,
      first,
      baseBranch,
    });
    // Among more attempts, another choice is due.
    await queries.updateTask(tx, id, { launch: null, start_error: null, chosen_attempt_id: null });
    await queries.refreshTask(tx, id);
    audit({ action: "task.attempted", target: targetOf(current) });
    return (await listAttempts(tx, id)).filter((attempt) => ids.includes(attempt.id));
  });
  const results = await Promise.allSettled(
    made.map((attempt) => startAttempt(deps, context, attempt)),
  );
  const failed = results.find((result) => result.status === "rejected");
  if (!failed || (failed.reason instanceof AppError && failed.reason.code === "task_finished"))
    return;
  // Nothing is left half-done: attempts that cannot start are given up.
  for (const attempt of made) await giveUp(deps, context, attempt);
  throw failed.reason;
}

/** Ends an attempt and archives it; its agent and workspace stay. */
async function giveUp(
  deps: RunDeps,
  context: CallerContext,
  { id, task_id, agent_id }: AttemptRow,
): Promise<void> {
  await context.change(async (tx) => {
    await endRuns(tx, { agentId: agent_id }, "Another attempt was chosen.");
    await updateAttempt(tx, id, { archived_at: new Date().toISOString() });
    await queries.refreshTask(tx, task_id);
  });
  await waitForEnd(deps.db, context.orgId, { agentId: agent_id });
}

/**
 * Chooses an attempt; the others are stopped and archived. The first choice counts.
 * @throws AppError 404; 409 `task_finished`, `attempt_chosen`, `attempt_archived`
 */
export async function chooseAttempt(
  deps: RunDeps,
  context: CallerContext,
  taskId: string,
  attemptId: string,
): Promise<void> {
  const others = await context.change(async (tx, audit) => {
    const task = await requireTask(tx, context.actor, taskId);
    const attempts = await listAttempts(tx, taskId);
    const chosen = attempts.find(({ id }) => id === attemptId);
    if (!chosen) throw notFound();
    if (task.chosen_attempt_id === attemptId) return [];
    if (task.resolution !== null) throw finished(task);
    if (task.chosen_attempt_id !== null) {
      throw new AppError(
        "attempt_chosen",
        "Another attempt was chosen before; the first choice counts.",
      );
    }
    // Also archived are the attempts of terminated agents, such as those of a canceled task.
    const states = await readAttempts(tx, [taskId]);
    if (states.some(({ id, status }) => id === attemptId && status === "archived")) {
      throw new AppError("attempt_archived", "The attempt is archived; start another one.");
    }
    const left = attempts.filter(({ id, archived_at }) => id !== attemptId && archived_at === null);
    for (const { id, agent_id } of left) {
      await endRuns(tx, { agentId: agent_id }, "Another attempt was chosen.");
      await updateAttempt(tx, id, { archived_at: new Date().toISOString() });
    }
    await queries.updateTask(tx, taskId, { chosen_attempt_id: attemptId });
    await queries.refreshTask(tx, taskId);
    audit({
      action: "task.attempt_chosen",
      target: targetOf(task),
      changes: { attempt: { from: null, to: chosen.number } },
    });
    return left;
  });
  for (const { agent_id } of others) {
    await waitForEnd(deps.db, context.orgId, { agentId: agent_id });
  }
}

/** Reads a task's attempts, and the one that calls without an attempt mean. */
export async function attemptsOf(
  tx: Queryable,
  task: TaskRow,
): Promise<{ all: ReadAttempt[]; main: ReadAttempt | undefined }> {
  const all = await readAttempts(tx, [task.id]);
  return { all, main: mainAttempt(task, all) };
}

/** @throws AppError 409 `no_attempt` */
export function requireAttempt(attempt: ReadAttempt | undefined, count: number): ReadAttempt {
  if (attempt) return attempt;
  throw new AppError(
    "no_attempt",
    count === 0
      ? "The task has no attempt yet; start it first."
      : "The task has several attempts; choose one of them, or name it.",
  );
}

/** Stops all work of a task; its attempts and their changes stay. @throws AppError 404; 409 `run_in_progress` */
export async function stopTask(deps: RunDeps, context: CallerContext, id: string): Promise<void> {
  const agents = await context.change(async (tx, audit) => {
    const task = await requireTask(tx, context.actor, id);
    const attempts = await readAttempts(tx, [id]);
    const isRunning = ({ status, ended_at, started_at }: ReadAttempt): boolean =>
      isUnderWay(status) || (started_at !== null && ended_at === null);
    const running = task.resolution === null ? attempts.filter(isRunning) : [];
    for (const { id: attemptId, agent_id, session_id } of running) {
      if (session_id !== null) await dropPrompts(tx, session_id);
      await endRuns(tx, { agentId: agent_id }, "The task was stopped.");
      await updateAttempt(tx, attemptId, { stopped_at: new Date().toISOString() });
    }
    await queries.updateTask(tx, id, { launch: null });
    await queries.refreshTask(tx, id);
    if (running.length > 0) audit({ action: "task.stopped", target: targetOf(task) });
    return running.map(({ agent_id }) => agent_id);
  });
  for (const agentId of agents) await waitForEnd(deps.db, context.orgId, { agentId });
}

/**
 * Merges the chosen or only attempt into its base branch, or queues it where the branch is protected.
 * @throws AppError 403; 409 `no_attempt`, `task_finished`, and as `mergeWorkspace` and `enqueueMerge`
 */
export async function mergeTask(deps: RunDeps, context: OrgContext, id: string): Promise<void> {
  const permission = "agent:workspace:merge";
  requirePermission(context.access, permission);
  const { attempt, isQueued } = await context.tx(async (tx) => {
    const [task] = await readTasks(tx, [id]);
    if (!task || !(await isVisible(tx, context.actor, id))) throw notFound();
    if (task.resolution !== null) throw finished(task);
    const { all, main } = await attemptsOf(tx, task);
    const found = requireAttempt(main, all.length);
    if (isUnderWay(found.status)) {
      throw new AppError(
        "run_in_progress",
        "The agent is still working; merge when its turn ends.",
      );
    }
    const rules = await readProtectedBranches(tx, task.project_id);
    return { attempt: found, isQueued: needsQueue(protectionOf(rules ?? [], found.base_branch)) };
  });
  const { actor, orgId, ip, requestId } = context;
  const merger: OrgContext = {
    ...context,
    ...authorizedWrites(deps.db, {
      actor,
      orgId,
      ip,
      requestId,
      permission,
      whenArchived: false,
      absent: notFound,
    }),
  };
  if (isQueued) {
    await enqueueMerge(deps.workspaces, merger, attempt.agent_id, {});
    return;
  }
  const merge = await mergeWorkspace(deps.workspaces, merger, attempt.agent_id, {});
  // With nothing to merge, the base branch has all of it.
  if (merge.id === null) await updateTask(context, id, { status: "done" });
}
