import { MAX_THREAD_COMMENTS, type Thread } from "#shared/api/work/threads.js";
import { requirePermission, type Access } from "../../../access/access.js";
import { authorOf } from "../../../access/author.queries.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { newId } from "../../../db/tables/columns.js";
import { AppError, notFound } from "../../../errors.js";
import type { CallerContext } from "../../../http/requests/request-context.js";
import { findOpenMerge, sendAdvance } from "../../code/workspaces/index.js";
import type { RunDeps } from "../../execution/runs/start.js";
import { readAttempts, targetOf } from "../tasks/index.js";
import { attemptOfThread, readThread } from "./present-threads.js";
import { findTask } from "./reviewed-attempt.js";
import * as queries from "./threads.queries.js";
import type { ThreadRow } from "./threads.queries.js";

/**
 * Locks a thread that the caller may change: one of its own task, for an agent.
 * @throws AppError 403; 404
 */
async function requireThread(
  tx: Queryable,
  context: CallerContext,
  access: Access,
  id: string,
): Promise<{ thread: ThreadRow; task: Awaited<ReturnType<typeof findTask>> }> {
  const thread = await queries.lockThread(tx, id);
  if (!thread) throw notFound();
  const task = await findTask(tx, context, thread.task_id);
  // The task's own agent answers without the permission to direct tasks; a second opinion is about to be answered.
  const { agent, opinion } = context.actor;
  if (agent === null || opinion) requirePermission(access, "project:task:write");
  return { thread, task };
}

/** Adds a comment to a thread. @throws AppError 403; 404; 409 `too_many_comments` */
export async function replyToThread(
  deps: RunDeps,
  context: CallerContext,
  id: string,
  body: string,
): Promise<Thread> {
  await context.change(async (tx, audit, access) => {
    const { thread, task } = await requireThread(tx, context, access, id);
    const counts = await queries.countComments(tx, thread.task_id, [id]);
    if ((counts.get(id) ?? 0) >= MAX_THREAD_COMMENTS) {
      throw new AppError("too_many_comments", "The thread has too many comments; start another.");
    }
    const author = authorOf(context);
    const comment = { id: newId(), org_id: context.orgId, thread_id: id, review_id: null };
    await queries.insertComments(tx, [{ ...comment, author, body, suggestion: null }]);
    await queries.touchThreads(tx, [id]);
    audit({
      action: "thread.replied",
      target: targetOf(task),
      changes: { thread_id: { from: null, to: id } },
    });
  });
  return readThread(deps, context, id);
}

/** Resolves a thread, or opens it again. @throws AppError 403; 404 */
export async function resolveThread(
  deps: RunDeps,
  context: CallerContext,
  id: string,
  resolved: boolean,
): Promise<Thread> {
  const queue = await context.change(async (tx, audit, access) => {
    const { thread, task } = await requireThread(tx, context, access, id);
    if ((thread.resolved_at !== null) === resolved) return null;
    await queries.setResolved(tx, [id], resolved ? authorOf(context) : null);
    audit({
      action: resolved ? "thread.resolved" : "thread.reopened",
      target: targetOf(task),
      changes: { thread_id: { from: null, to: id } },
    });
    const attempt = attemptOfThread(task, await readAttempts(tx, [task.id]), thread);
    const request = attempt && (await findOpenMerge(tx, attempt.agent_id, context.actor.userId));
    if (!request) return null;
    return { org_id: context.orgId, project_id: task.project_id, branch: request.target_branch };
  });
  // The thread may have held it up.
  if (queue) await sendAdvance(deps.workspaces, queue);
  return readThread(deps, context, id);
}
