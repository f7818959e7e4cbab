import { blobsAt } from "#git/anchor/anchor-ranges.js";
import { diffFilesWithBlobs } from "#git/diff/diff.js";
import type { NewComment } from "#shared/api/work/reviews.js";
import { newId } from "../../../../db/tables/columns.js";
import { AppError } from "../../../../errors.js";
import {
  endOpinion,
  hasQueuedOpinions,
  listEndedOpinions,
  requeueOpinion,
  type EndedOpinion,
} from "../../../code/workspaces/index.js";
import type { RunDeps } from "../../../execution/runs/start.js";
import { placeComments, type PlacedComment, type ReadCommits } from "../check-comments.js";
import { continueMerge } from "./continue-merge.js";
import { placesOf, reviewerOf, storeReview } from "./publish-opinion.js";
import { readAnswer, textOf, type Answer } from "./read-answer.js";

/** Starts of an opinion whose servers died, before it counts as failed. */
const MAX_ATTEMPTS = 3;
/** Characters of a message that is no review, in the detail. */
const MAX_QUOTED = 200;

/** Publishes the reviews of opinions of this node whose runs have ended. Idempotent; any of its processes may do it. */
export async function endOpinions(deps: RunDeps): Promise<void> {
  const { db, log } = deps;
  const ended = await db.withSystem("find ended opinions", (tx) =>
    listEndedOpinions(tx, db.node.id),
  );
  for (const opinion of ended) {
    // One that fails must not hold up the others.
    await end(deps, opinion).catch((error: unknown) => {
      log.error({ err: error, opinion: opinion.id }, "cannot record a second opinion");
    });
  }
  await deps.jobs.send("start-opinions", {});
}

/** Does what a lost job would have done. */
export async function continueOpinions(deps: RunDeps): Promise<void> {
  await endOpinions(deps);
  const isQueued = await deps.db.withSystem("find queued opinions", (tx) =>
    hasQueuedOpinions(tx, deps.db.node.id),
  );
  if (isQueued) await deps.jobs.send("start-opinions", {});
}

async function end(deps: RunDeps, opinion: EndedOpinion): Promise<void> {
  const { db } = deps;
  const { org_id, run_status, run_detail, attempts, result } = opinion;
  // Neither a stop of the server nor used-up hours say anything about the change.
  const isFree = run_status === "stopped" || run_status === "quota_exceeded";
  if (isFree || (run_status === "lost" && attempts < MAX_ATTEMPTS)) {
    const changes = isFree ? { attempts: attempts - 1 } : {};
    await db.tenant(org_id, (tx) => requeueOpinion(tx, opinion, changes));
    return;
  }
  const problem =
    run_status === "succeeded"
      ? await publish(deps, opinion, result)
      : (run_detail ?? "Its run has failed.");
  if (problem !== null) {
    await db.tenant(org_id, (tx) => endOpinion(tx, opinion, { status: "failed", detail: problem }));
  }
  await continueMerge(deps, opinion);
}

/** Publishes the review in a final message. Returns why it cannot, as a sentence; null if it did. */
async function publish(
  deps: RunDeps,
  opinion: EndedOpinion,
  message: string | null,
): Promise<string | null> {
  if (message === null || message.trim() === "") return "It ended without a review.";
  const answer = readAnswer(message);
  if (answer === null) {
    return `It ended with a message that is no review: ${textOf(message).slice(0, MAX_QUOTED)}`;
  }
  const commits = placesOf(deps, opinion);
  const review = { ...answer, comments: await placeable(commits, answer) };
  const placed = await placeComments(commits, review.comments);
  return store(deps, opinion, review, placed);
}

async function store(
  deps: RunDeps,
  opinion: EndedOpinion,
  review: Answer,
  placed: readonly PlacedComment[],
): Promise<string | null> {
  const publisher = reviewerOf(opinion);
  try {
    await deps.db.change(opinion.org_id, publisher, (tx, audit) =>
      storeReview(tx, audit, publisher, { id: newId(), opinion, review, placed }),
    );
    return null;
  } catch (error) {
    // Another process may have published it.
    if (error instanceof AppError) return error.code === "opinion_ended" ? null : error.message;
    throw error;
  }
}

/**
 * Returns the comments at places that exist: a line that is none moves to its file, and a file that is none to the
 * first changed file. A request for changes without comments is one there, too.
 */
async function placeable(
  commits: ReadCommits,
  { verdict, body, comments }: Answer,
): Promise<NewComment[]> {
  const { repoPath, base, head } = commits;
  const { files } = await diffFilesWithBlobs(repoPath, base, head, { patch: false });
  const [first] = files;
  const side = first?.status === "deleted" ? ("old" as const) : ("new" as const);
  const onFirst = (text: string): NewComment[] =>
    first ? [{ path: first.path, side, body: textOf(text) }] : [];
  const fits = (some: readonly NewComment[]): Promise<boolean> =>
    placeComments(commits, some).then(
      () => true,
      () => false,
    );
  const areAllPlaced = await fits(comments);
  const found: NewComment[] = [];
  for (const comment of comments) {
    if (areAllPlaced || (await fits([comment]))) {
      found.push(comment);
      continue;
    }
    const { path = "", line, suggestion } = comment;
    const commit = comment.side === "old" ? base : head;
    const [blob] = await blobsAt(repoPath, [{ commit, path }]);
    const text = suggestion === undefined ? comment.body : `${comment.body}\n\n${suggestion}`;
    const at = line === undefined ? "" : `Line ${line}: `;
    if (blob) found.push({ path, side: comment.side, body: textOf(`${at}${text}`) });
    else found.push(...onFirst(`${path}${line === undefined ? "" : `:${line}`}: ${text}`));
  }
  return verdict === "request_changes" && found.length === 0 ? onFirst(body) : found;
}
