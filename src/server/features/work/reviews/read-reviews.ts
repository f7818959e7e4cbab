import type { Review } from "#shared/api/work/reviews.js";
import { protectionOf } from "#shared/code/protection.js";
import { notFound } from "../../../errors.js";
import type { CallerContext } from "../../../http/requests/request-context.js";
import { readProtectedBranches } from "../../code/workspaces/index.js";
import type { RunDeps } from "../../execution/runs/start.js";
import { readAttempts, type ReadAttempt, type ReadTask } from "../tasks/index.js";
import { changeId } from "./change-ids.js";
import { changeOf, findTask } from "./reviewed-attempt.js";
import * as queries from "./reviews.queries.js";
import type { ReadReview } from "./reviews.queries.js";

/** Reads a page of the reviews of a task, newest first. @throws AppError 404 */
export async function listReviews(
  deps: RunDeps,
  context: CallerContext,
  taskId: string,
  after: string | null,
  limit: number,
): Promise<Review[]> {
  const { task, attempts, rows } = await context.tx(async (tx) => ({
    task: await findTask(tx, context, taskId),
    attempts: await readAttempts(tx, [taskId]),
    rows: await queries.listReviews(tx, taskId, after, limit),
  }));
  return presentReviews(deps, context, task, attempts, rows);
}

/** @throws AppError 404 */
export async function readReview(
  deps: RunDeps,
  context: CallerContext,
  id: string,
): Promise<Review> {
  const { task, attempts, row } = await context.tx(async (tx) => {
    const found = await queries.findReview(tx, id);
    if (!found) throw notFound();
    return {
      row: found,
      task: await findTask(tx, context, found.task_id),
      attempts: await readAttempts(tx, [found.task_id]),
    };
  });
  const [review] = await presentReviews(deps, context, task, attempts, [row]);
  if (!review) throw notFound();
  return review;
}

async function presentReviews(
  deps: RunDeps,
  context: CallerContext,
  task: ReadTask,
  attempts: readonly ReadAttempt[],
  rows: readonly ReadReview[],
): Promise<Review[]> {
  const entries = await context.tx((tx) => readProtectedBranches(tx, task.project_id));
  const changes = new Map<string, { head: string; patchId: string | null; keepsStale: boolean }>();
  for (const attempt of attempts) {
    const approvals = rows.filter(
      ({ attempt_id, verdict }) => attempt_id === attempt.id && verdict === "approve",
    );
    const change = approvals.length > 0 ? await changeOf(deps, task, attempt) : null;
    if (!change) continue;
    const needsId = approvals.some(({ commit_sha }) => commit_sha !== change.head);
    const entry = protectionOf(entries, change.targetBranch);
    changes.set(attempt.id, {
      head: change.head,
      patchId: needsId ? await changeId(change) : null,
      keepsStale: entry?.dismiss_stale_approvals === false,
    });
  }
  return rows.map((row) => {
    const change = changes.get(row.attempt_id);
    const isSame = change !== undefined && queries.isForChange(row, change);
    const counts = row.verdict === "approve" && (isSame || change?.keepsStale === true);
    return {
      id: row.id,
      task_id: row.task_id,
      attempt_id: row.attempt_id,
      author: row.author,
      opinion_id: row.opinion_id,
      verdict: row.verdict,
      body: row.body,
      commit_sha: row.commit_sha,
      base_sha: row.base_sha,
      patch_id: row.patch_id,
      counts: counts && row.latest,
      dismissed_at: row.verdict === "approve" && !counts ? row.changed_at : null,
      latest: row.latest,
      prompt: row.prompt,
      thread_ids: row.thread_ids,
      created_at: row.created_at,
    };
  });
}
