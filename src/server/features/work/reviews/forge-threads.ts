/** Threads that were written on a forge, as threads of a task. */
import { systemOrigin } from "../../../db/audit/audit.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { newId } from "../../../db/tables/columns.js";
import { AppError } from "../../../errors.js";
import type { RunDeps } from "../../execution/runs/start.js";
import { MAX_THREAD_COMMENTS, MAX_THREADS, type Thread } from "#shared/api/work/threads.js";
import { readAttempts, readTasks } from "../tasks/index.js";
import { placeComments, type PlacedComment } from "./check-comments.js";
import { changeOf, type Change } from "./reviewed-attempt.js";
import * as queries from "./reviews.queries.js";
import * as threads from "./threads.queries.js";

type Author = Thread["comments"][number]["author"];

/** A thread as the forge shows it. */
export interface ForgeThread {
  path: string;
  side: "old" | "new";
  line: number | null;
  start_line: number | null;
  commit_sha: string | null;
}

export interface ForgeComment {
  author: Author;
  body: string;
  created_at: string;
}

/**
 * Finds the place of a thread in the commits here: at the commit that its author saw, if it is here, else in the newest
 * one. A place that is not found is the whole file.
 */
export async function placeForgeThread(
  deps: Pick<RunDeps, "db" | "storage">,
  orgId: string,
  { taskId, attemptId }: { taskId: string; attemptId: string },
  thread: ForgeThread,
): Promise<{ change: Change; placed: PlacedComment } | null> {
  const { task, attempts } = await deps.db.tenant(orgId, async (tx) => ({
    task: (await readTasks(tx, [taskId]))[0],
    attempts: await readAttempts(tx, [taskId]),
  }));
  const attempt = attempts.find(({ id }) => id === attemptId);
  const change = task && attempt && (await changeOf(deps, task, attempt));
  if (!change) return null;
  const { path, side, line, start_line, commit_sha } = thread;
  const at = { path, side, body: "-" };
  const lines = line === null ? {} : { line, start_line: start_line ?? line };
  const tries = [
    ...(commit_sha !== null && side === "new"
      ? [{ change: { ...change, head: commit_sha }, comment: { ...at, ...lines } }]
      : []),
    { change, comment: { ...at, ...lines } },
    { change, comment: at },
  ];
  for (const { change: read, comment } of tries) {
    const [placed] = await placeComments(read, [comment]).catch(nullIfRefused);
    if (placed) return { change, placed };
  }
  return null;
}

/** A commit may not be here, and a line may not exist. */
function nullIfRefused(error: unknown): PlacedComment[] {
  if (error instanceof AppError || error instanceof Error) return [];
  throw error;
}

/**
 * Stores a thread with its first comment. Returns their ids; null if the task has too many threads.
 * @param reviews ids of reviews by author, to which those are added that are made
 */
export async function insertForgeThread(
  tx: Queryable,
  ids: { orgId: string; taskId: string; attemptId: string },
  { change, placed }: { change: Change; placed: PlacedComment },
  comment: ForgeComment,
  reviews: Map<string, string>,
): Promise<{ threadId: string; commentId: string } | null> {
  const { orgId: org_id, taskId: task_id, attemptId: attempt_id } = ids;
  if ((await threads.countThreads(tx, task_id)) >= MAX_THREADS) return null;
  const threadId = newId();
  const author = comment.author as never;
  const known = reviews.get(comment.author.id);
  const reviewId = known ?? newId();
  if (known === undefined) {
    reviews.set(comment.author.id, reviewId);
    await queries.insertReview(tx, {
      id: reviewId,
      org_id,
      task_id,
      attempt_id,
      author,
      verdict: "comment",
      body: "",
      commit_sha: change.head,
      base_sha: change.base,
      patch_id: null,
      prompt_state: null,
      interrupts: false,
      origin: systemOrigin,
    });
  }
  const { index: _index, ...place } = placed;
  await threads.insertThreads(tx, [
    { id: threadId, org_id, task_id, attempt_id, review_id: reviewId, ...place },
  ]);
  const commentId = await insertForgeComment(tx, { orgId: org_id, threadId, reviewId }, comment);
  return { threadId, commentId };
}

/** Stores a comment in a thread. */
export async function insertForgeComment(
  tx: Queryable,
  { orgId, threadId, reviewId }: { orgId: string; threadId: string; reviewId: string | null },
  { author, body, created_at }: ForgeComment,
): Promise<string> {
  const id = newId();
  await threads.insertComments(tx, [
    {
      id,
      org_id: orgId,
      thread_id: threadId,
      review_id: reviewId,
      author: author as never,
      body,
      suggestion: null,
      created_at,
    },
  ]);
  await threads.touchThreads(tx, [threadId]);
  return id;
}

export const isFull = async (tx: Queryable, taskId: string, threadId: string): Promise<boolean> =>
  ((await threads.countComments(tx, taskId, [threadId])).get(threadId) ?? 0) >= MAX_THREAD_COMMENTS;

/** Resolves a thread, or opens it again, as the forge has it. */
export const setForgeResolved = (
  tx: Queryable,
  threadId: string,
  by: Author | null,
): Promise<void> => threads.setResolved(tx, [threadId], by as never);
