import { mergeBase, resolveCommit } from "#git/store/repository.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { AppError, notFound } from "../../../errors.js";
import type { CallerContext } from "../../../http/requests/request-context.js";
import { branchRef } from "../../code/workspaces/index.js";
import type { RunDeps } from "../../execution/runs/start.js";
import {
  attemptsOf,
  isVisible,
  readTasks,
  requireAttempt,
  type ReadAttempt,
  type ReadTask,
} from "../tasks/index.js";

/** The change of an attempt: its newest commit, and what it is compared with. */
export interface Change {
  repoPath: string;
  head: string;
  /** The merge base with the target branch; once merged, the commit that the attempt began with. */
  base: string;
  targetBranch: string;
  target: string;
}

export interface ReviewedAttempt extends Change {
  task: ReadTask;
  attempt: ReadAttempt;
  /** All attempts of the task. */
  all: ReadAttempt[];
}

/** Returns whose drafts and seen files these are: an agent has none of the person who started it. */
export function reviewerOf({ actor }: Pick<CallerContext, "actor">): string {
  return actor.agent?.id ?? actor.userId;
}

/** @throws AppError 404, also for a task that the caller's agent does not see */
export async function findTask(
  tx: Queryable,
  { actor }: Pick<CallerContext, "actor">,
  id: string,
): Promise<ReadTask> {
  const [task] = await readTasks(tx, [id]);
  if (!task || task.is_undone || !(await isVisible(tx, actor, id))) throw notFound();
  return task;
}

/**
 * Reads a task that the caller sees, and the attempt that is reviewed: the named one, else the chosen or only one. An
 * agent's own attempt comes before a choice.
 * @throws AppError 404; 409 `no_attempt`
 */
export async function findAttempt(
  tx: Queryable,
  context: Pick<CallerContext, "actor">,
  taskId: string,
  attemptId: string | undefined,
): Promise<Pick<ReviewedAttempt, "task" | "attempt" | "all">> {
  const task = await findTask(tx, context, taskId);
  const { all, main } = await attemptsOf(tx, task);
  const { agent, opinion } = context.actor;
  const own = all.find((one) => one.agent_id === agent?.id || one.id === opinion?.attemptId);
  const named =
    attemptId === undefined
      ? opinion
        ? own
        : (main ?? own)
      : all.find(({ id }) => id === attemptId);
  if (attemptId !== undefined && !named) throw notFound();
  return { task, all, attempt: requireAttempt(named, all.length) };
}

/** @throws AppError 404; 409 `no_attempt`, `workspace_not_active` */
export async function readReviewed(
  deps: RunDeps,
  context: CallerContext,
  taskId: string,
  attemptId?: string,
): Promise<ReviewedAttempt> {
  const found = await context.tx((tx) => findAttempt(tx, context, taskId, attemptId));
  const change = await changeOf(deps, found.task, found.attempt);
  if (!change) {
    throw new AppError(
      "workspace_not_active",
      "The attempt has no commit yet; try again when its workspace is ready.",
    );
  }
  const { opinion } = context.actor;
  // A second opinion is about one commit, also when the agent has committed since.
  const isOwn = opinion !== undefined && opinion.attemptId === found.attempt.id;
  return { ...found, ...change, ...(isOwn && { head: opinion.head, base: opinion.base }) };
}

/** Returns the change of an attempt; null while its workspace is being created. */
export async function changeOf(
  { storage }: Pick<RunDeps, "storage">,
  { org_id, project_id }: Pick<ReadTask, "org_id" | "project_id">,
  { head_commit: head, parent_commit: parent, base_branch, status }: ReadAttempt,
): Promise<Change | null> {
  if (head === null || parent === null) return null;
  const repoPath = storage.repository(org_id, project_id);
  const tip = await resolveCommit(repoPath, branchRef(base_branch));
  const target = tip ?? parent;
  const found = status === "merged" || tip === null ? null : await mergeBase(repoPath, tip, head);
  return { repoPath, head, base: found ?? parent, targetBranch: base_branch, target };
}
