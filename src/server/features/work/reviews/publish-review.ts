import type { NewReview, Review } from "#shared/api/work/reviews.js";
import { authorOf } from "../../../access/author.queries.js";
import { originOf } from "../../../db/audit/audit.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { newId } from "../../../db/tables/columns.js";
import { AppError } from "../../../errors.js";
import type { CallerContext } from "../../../http/requests/request-context.js";
import {
  approveByReview,
  findOpenMerge,
  sendAdvance,
  withdrawApproval,
} from "../../code/workspaces/index.js";
import type { RunDeps } from "../../execution/runs/start.js";
import { finished, requireStart, requireTask, targetOf } from "../tasks/index.js";
import { changeId } from "./change-ids.js";
import { placeComments, type PlacedComment } from "./check-comments.js";
import { deliverReview } from "./deliver-review.js";
import { insertComments } from "./insert-comments.js";
import { placesOf } from "./place-threads.js";
import { requireApprover } from "./read-approval.js";
import { readReview } from "./read-reviews.js";
import { readReviewed, reviewerOf, type ReviewedAttempt } from "./reviewed-attempt.js";
import * as queries from "./reviews.queries.js";

/**
 * Publishes a review with its comments, and sends one that asks for changes to the agent. If its program cannot
 * start, nothing is published.
 * @throws AppError 403 `own_work`; 404; 409 `changes_moved`, `too_many_threads`, `attempt_archived`, and as
 * `promptAttempt`; 422 for a place that does not exist
 */
export async function publishReview(
  deps: RunDeps,
  context: CallerContext,
  taskId: string,
  input: NewReview,
): Promise<Review> {
  const sends = input.verdict === "request_changes";
  if (sends) requireStart(context);
  const reviewed = await readReviewed(deps, context, taskId, input.attempt_id);
  if (reviewed.attempt.status === "archived") {
    throw new AppError("attempt_archived", "The attempt is archived; review another one.");
  }
  await requireNewest(reviewed, input);
  const placed = await placeComments(reviewed, input.comments);
  const patchId = await changeId(reviewed);
  const id = newId();
  const queue = await context.change(async (tx, audit, access) => {
    const task = await requireTask(tx, context.actor, taskId);
    if (task.resolution === "cancelled" || (task.resolution === "done" && !sends)) {
      throw finished(task);
    }
    if (input.verdict === "approve") {
      await requireApprover(tx, { actor: context.actor, access }, reviewed);
    }
    // The agent may have committed meanwhile.
    const head = await queries.findHead(tx, reviewed.attempt.agent_id);
    if (head !== reviewed.head) throw await movedTo(reviewed, head ?? reviewed.head, input, placed);
    await queries.insertReview(tx, {
      id,
      org_id: context.orgId,
      task_id: taskId,
      attempt_id: reviewed.attempt.id,
      author: authorOf(context),
      verdict: input.verdict,
      body: input.body ?? "",
      commit_sha: reviewed.head,
      base_sha: reviewed.base,
      patch_id: patchId,
      prompt_state: sends ? "pending" : null,
      interrupts: input.interrupt === true,
      origin: originOf(context),
    });
    const made = { id, task_id: taskId, attempt_id: reviewed.attempt.id };
    await insertComments(tx, context, made, input.comments, placed);
    // A request for changes that cannot be sent leaves the draft.
    if (!sends) await queries.deleteDraft(tx, taskId, reviewerOf(context));
    audit({
      action: "review.published",
      target: targetOf(task),
      changes: {
        verdict: { from: null, to: input.verdict },
        commit_sha: { from: null, to: reviewed.head },
        comments: { from: null, to: input.comments.length },
      },
    });
    return applyVerdict(tx, context, reviewed, input.verdict);
  });
  if (queue) await sendAdvance(deps.workspaces, queue);
  if (sends) await send(deps, context, taskId, id);
  return readReview(deps, context, id);
}

/** Sends the prompt of a published review; a refusal takes the review back. */
async function send(
  deps: RunDeps,
  context: CallerContext,
  taskId: string,
  id: string,
): Promise<void> {
  try {
    await deliverReview(deps, context, id);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const isTakenBack = await deps.db.tenant(context.orgId, async (tx) => {
      const review = await queries.findReview(tx, id);
      // Another process may have sent it.
      if (review?.prompt_state !== "pending") return false;
      await queries.deleteReview(tx, id);
      return true;
    });
    if (isTakenBack) throw error;
  }
  await deps.db.tenant(context.orgId, (tx) => queries.deleteDraft(tx, taskId, reviewerOf(context)));
}

/** @throws AppError 409 `changes_moved` for another commit than the newest one */
async function requireNewest(reviewed: ReviewedAttempt, input: NewReview): Promise<void> {
  if (input.commit_sha === reviewed.head) return;
  const { repoPath, base } = reviewed;
  const read = { repoPath, head: input.commit_sha, base };
  const placed = await placeComments(read, input.comments).catch(() => []);
  throw await movedTo(reviewed, reviewed.head, input, placed);
}

async function movedTo(
  reviewed: ReviewedAttempt,
  head: string,
  { comments }: Pick<NewReview, "comments">,
  placed: readonly PlacedComment[],
): Promise<AppError> {
  const places = await placesOf({ ...reviewed, head }, placed);
  const moved = placed.flatMap(({ index, path, side, line, start_line }, at) => {
    const now = places[at] ?? null;
    const isSame =
      now !== null && now.path === path && now.line === line && now.start_line === start_line;
    return isSame ? [] : [{ index, path, side, line, start_line, now }];
  });
  const lost = comments.flatMap(({ path, side = "new", line = null }, index) => {
    if (path === undefined || placed.some((one) => one.index === index)) return [];
    return [{ index, path, side, line, start_line: line, now: null }];
  });
  return new AppError(
    "changes_moved",
    "The agent has committed since; read the changes again, and publish for the newest commit.",
    { commit_sha: head, comments: [...moved, ...lost] },
  );
}

/** Lets a verdict count for the open merge request of the branch, and returns the queue that may go on. */
async function applyVerdict(
  tx: Queryable,
  context: CallerContext,
  { attempt, task, head }: ReviewedAttempt,
  verdict: NewReview["verdict"],
) {
  const { userId, agent } = context.actor;
  if (verdict === "comment" || agent !== null) return null;
  const request = await findOpenMerge(tx, attempt.agent_id, userId);
  if (!request) return null;
  if (verdict === "request_changes") await withdrawApproval(tx, request, userId);
  // Later commits are not part of the request.
  else if (request.source_commit !== head) return null;
  else {
    const approval = { org_id: context.orgId, approver_id: userId, approver: authorOf(context) };
    await approveByReview(tx, request, approval);
  }
  return { org_id: context.orgId, project_id: task.project_id, branch: request.target_branch };
}
