import type { Draft, NewDraft } from "#shared/api/work/reviews.js";
import { notFound } from "../../../errors.js";
import type { CallerContext } from "../../../http/requests/request-context.js";
import type { RunDeps } from "../../execution/runs/start.js";
import { finished, requireTask } from "../tasks/index.js";
import { placeComments } from "./check-comments.js";
import { placesOf } from "./place-threads.js";
import { isOfAttempt } from "./compare-changes.js";
import { readReviewed, reviewerOf } from "./reviewed-attempt.js";
import * as queries from "./reviews.queries.js";

/** Reads the caller's draft, with the places of its comments in the newest commit. @throws AppError 404 */
export async function readDraft(
  deps: RunDeps,
  context: CallerContext,
  taskId: string,
): Promise<Draft> {
  const reviewerId = reviewerOf(context);
  const draft = await context.tx((tx) => queries.findDraft(tx, taskId, reviewerId));
  if (!draft) throw notFound();
  const reviewed = await readReviewed(deps, context, taskId, draft.attempt_id);
  const { repoPath } = reviewed;
  const written = { repoPath, head: draft.commit_sha, base: draft.base_sha };
  // The commit may be gone; then its comments are outdated.
  const placed = await placeComments(written, draft.comments).catch(() => []);
  const places = await placesOf(reviewed, placed);
  const now = new Map(placed.map(({ index }, at) => [index, places[at] ?? null]));
  return {
    task_id: taskId,
    attempt_id: draft.attempt_id,
    verdict: draft.verdict,
    body: draft.body,
    comments: draft.comments.map((comment, index) => {
      const { thread_id = null, path = null, line = null, body, suggestion = null } = comment;
      return {
        thread_id,
        path,
        side: path === null ? null : (comment.side ?? "new"),
        line,
        start_line: comment.start_line ?? line,
        body,
        suggestion,
        now: now.get(index) ?? null,
      };
    }),
    commit_sha: draft.commit_sha,
    head_sha: reviewed.head,
    updated_at: draft.updated_at,
  };
}

/**
 * Saves the caller's draft.
 * @throws AppError 404; 409 `no_attempt`, `task_finished`; 422 for a place that does not exist
 */
export async function saveDraft(
  deps: RunDeps,
  context: CallerContext,
  taskId: string,
  { verdict = "comment", body = "", comments, commit_sha, attempt_id }: NewDraft,
): Promise<Draft> {
  const reviewed = await readReviewed(deps, context, taskId, attempt_id);
  const { repoPath, base, attempt } = reviewed;
  // A commit that is gone since: its comments were checked when it was read.
  if (await isOfAttempt(reviewed, commit_sha)) {
    await placeComments({ repoPath, head: commit_sha, base }, comments);
  }
  await context.change(async (tx) => {
    const task = await requireTask(tx, context.actor, taskId);
    if (task.resolution === "cancelled") throw finished(task);
    await queries.saveDraft(tx, {
      task_id: taskId,
      reviewer_id: reviewerOf(context),
      org_id: context.orgId,
      attempt_id: attempt.id,
      verdict,
      body,
      comments,
      commit_sha,
      base_sha: base,
    });
  });
  return readDraft(deps, context, taskId);
}

/** Deletes the caller's draft; idempotent. @throws AppError 404 for an unknown task */
export async function deleteDraft(context: CallerContext, taskId: string): Promise<void> {
  await context.change(async (tx) => {
    await requireTask(tx, context.actor, taskId);
    await queries.deleteDraft(tx, taskId, reviewerOf(context));
  });
}
