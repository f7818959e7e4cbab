import type { NewComment } from "#shared/api/work/reviews.js";
import { MAX_THREAD_COMMENTS, MAX_THREADS } from "#shared/api/work/threads.js";
import { authorOf } from "../../../access/author.queries.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { newId } from "../../../db/tables/columns.js";
import { AppError, invalidField } from "../../../errors.js";
import type { PlacedComment } from "./check-comments.js";
import * as threads from "./threads.queries.js";

/**
 * Inserts the comments of a review with the threads that they begin.
 * @throws AppError 409 `too_many_threads`, `too_many_comments`; 422 for a thread of another task
 */
export async function insertComments(
  tx: Queryable,
  author: Parameters<typeof authorOf>[0] & { orgId: string },
  { id, task_id, attempt_id }: { id: string; task_id: string; attempt_id: string },
  comments: readonly NewComment[],
  placed: readonly PlacedComment[],
): Promise<void> {
  const { orgId: org_id } = author;
  const made = placed.map(({ index: _index, ...place }) => ({
    id: newId(),
    org_id,
    task_id,
    attempt_id,
    review_id: id,
    ...place,
  }));
  if ((await threads.countThreads(tx, task_id)) + made.length > MAX_THREADS) {
    throw new AppError(
      "too_many_threads",
      `A task has at most ${MAX_THREADS} threads; reply in those that exist.`,
    );
  }
  await requireThreads(tx, task_id, comments);
  await threads.insertThreads(tx, made);
  await threads.insertComments(
    tx,
    comments.map(({ thread_id, body, suggestion }, index) => {
      const at = placed.findIndex((one) => one.index === index);
      return {
        id: newId(),
        org_id,
        thread_id: thread_id ?? (made[at]?.id as string),
        review_id: id,
        author: authorOf(author),
        body,
        suggestion: suggestion ?? null,
      };
    }),
  );
  await threads.touchThreads(
    tx,
    comments.flatMap(({ thread_id }) => thread_id ?? []),
  );
}

/** @throws AppError 409 `too_many_threads`; 422 for a thread of another task, or a suggestion without lines */
async function requireThreads(
  tx: Queryable,
  taskId: string,
  comments: readonly NewComment[],
): Promise<void> {
  const named = comments.flatMap(({ thread_id }) => thread_id ?? []);
  if (named.length === 0) return;
  const counts = await threads.countComments(tx, taskId, named);
  const found = new Map(
    (await threads.findThreads(tx, [...counts.keys()])).map((thread) => [thread.id, thread]),
  );
  for (const { thread_id, suggestion } of comments) {
    if (thread_id === undefined) continue;
    const thread = found.get(thread_id);
    if (!thread) throw invalidField("comments", "names a thread that is none of the task");
    if (suggestion !== undefined && (thread.line === null || thread.side === "old")) {
      throw invalidField("comments", "suggests a change in a thread without lines of the new side");
    }
    if ((counts.get(thread_id) ?? 0) >= MAX_THREAD_COMMENTS) {
      throw new AppError("too_many_comments", "The thread has too many comments; start another.");
    }
  }
}
