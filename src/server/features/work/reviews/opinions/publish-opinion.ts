import type { NewComment, Review } from "#shared/api/work/reviews.js";
import type { OpinionReview } from "#shared/api/work/opinions.js";
import { presetTitles } from "#shared/execution/run-choices.js";
import { authorOf } from "../../../../access/author.queries.js";
import { originOf, type AuditWriter, type Origin } from "../../../../db/audit/audit.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { newId } from "../../../../db/tables/columns.js";
import { AppError, notFound } from "../../../../errors.js";
import type { CallerContext } from "../../../../http/requests/request-context.js";
import {
  endOpinion,
  findOpinion,
  lockOpinion,
  type OpinionRow,
} from "../../../code/workspaces/index.js";
import type { RunDeps } from "../../../execution/runs/start.js";
import { targetOf } from "../../tasks/index.js";
import { placeComments, type PlacedComment } from "../check-comments.js";
import { insertComments } from "../insert-comments.js";
import { readReview } from "../read-reviews.js";
import { findTask } from "../reviewed-attempt.js";
import { insertReview } from "../reviews.queries.js";
import { continueMerge } from "./continue-merge.js";

/**
 * Publishes the review of the calling reviewer, once.
 * @throws AppError 403 for another caller; 404; 409 `opinion_ended`, `too_many_threads`; 422 for a place that does not
 * exist
 */
export async function publishOpinion(
  deps: RunDeps,
  context: CallerContext,
  id: string,
  review: OpinionReview,
): Promise<Review> {
  const opinion = await context.tx(async (tx) => {
    const found = await findOpinion(tx, id);
    if (!found) throw notFound();
    await findTask(tx, context, found.task_id);
    return found;
  });
  if (context.actor.opinion?.id !== id) {
    throw new AppError(
      "insufficient_permission",
      "Only the run of the second opinion publishes its review.",
    );
  }
  const placed = await placeComments(placesOf(deps, opinion), review.comments);
  const reviewId = newId();
  await context.change((tx, audit) =>
    storeReview(tx, audit, context, { id: reviewId, opinion, review, placed }),
  );
  await continueMerge(deps, opinion);
  return readReview(deps, context, reviewId);
}

/** The commits that an opinion is about. */
export function placesOf(
  { storage }: Pick<RunDeps, "storage">,
  { org_id, project_id, commit_sha, base_sha }: OpinionRow,
) {
  return { repoPath: storage.repository(org_id, project_id), head: commit_sha, base: base_sha };
}

/** The caller as which the server publishes what a program answered, on behalf of the opinion's requester. */
export function reviewerOf({ id, org_id, preset, origin }: OpinionRow) {
  const userId = origin.actor?.userId;
  if (userId === undefined) throw new Error(`the opinion ${id} has no requester`);
  const agent = { id, name: presetTitles[preset] };
  return {
    orgId: org_id,
    actor: { kind: "agent" as const, userId, agent, key: null },
    ip: null,
    requestId: null,
  };
}

/** The author of a review. */
type Publisher = Parameters<typeof authorOf>[0] & Origin & { orgId: string };

interface StoredReview {
  id: string;
  opinion: OpinionRow;
  review: { verdict: OpinionReview["verdict"]; body: string; comments: readonly NewComment[] };
  placed: readonly PlacedComment[];
}

/** Stores the review of a running opinion, and ends it. @throws AppError 409 `opinion_ended`, `too_many_threads` */
export async function storeReview(
  tx: Queryable,
  audit: AuditWriter,
  publisher: Publisher,
  { id, opinion, review, placed }: StoredReview,
): Promise<void> {
  const current = await lockOpinion(tx, opinion.id);
  if (current?.status !== "running" || current.run_id !== opinion.run_id) {
    throw new AppError(
      "opinion_ended",
      "The review of the second opinion is published, or it was canceled.",
    );
  }
  const { org_id, task_id, attempt_id, commit_sha } = opinion;
  await insertReview(tx, {
    id,
    org_id,
    task_id,
    attempt_id,
    author: authorOf(publisher),
    verdict: review.verdict,
    body: review.body,
    commit_sha,
    base_sha: opinion.base_sha,
    patch_id: opinion.patch_id,
    prompt_state: null,
    origin: originOf(publisher),
  });
  await insertComments(tx, publisher, { id, task_id, attempt_id }, review.comments, placed);
  await endOpinion(tx, current, { status: "done", review_id: id });
  const task = await findTask(
    tx,
    { actor: { ...ANYONE, userId: publisher.actor.userId } },
    task_id,
  );
  audit({
    action: "review.published",
    target: targetOf(task),
    changes: {
      verdict: { from: null, to: review.verdict },
      commit_sha: { from: null, to: commit_sha },
      comments: { from: null, to: review.comments.length },
    },
  });
}

/** The task was seen before. */
const ANYONE = { kind: "user", agent: null, session: null, key: null } as const;
