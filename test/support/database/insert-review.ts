import { randomUUID } from "node:crypto";
import type { TestApp } from "../server/app.js";
import { queryAsOwner } from "./queries.js";

/** A review of an attempt with a thread, a draft and a file that was seen. Returns the thread's id. */
export async function insertReview(
  app: Pick<TestApp, "owner">,
  { taskId, attemptId, userId }: { taskId: string; attemptId: string; userId: string },
): Promise<string> {
  const [reviewId, threadId] = [randomUUID(), randomUUID()];
  const sha = "0".repeat(40);
  const author = JSON.stringify({ type: "user", id: userId, name: "Ada" });
  await queryAsOwner(
    app,
    `insert into reviews (id, org_id, task_id, attempt_id, author, verdict, body, commit_sha, base_sha, origin)
     select $1, org_id, id, $3, $4, 'comment', 'Read.', $5, $5, '{}' from tasks where id = $2`,
    [reviewId, taskId, attemptId, author, sha],
  );
  await queryAsOwner(
    app,
    `insert into review_threads (id, org_id, task_id, attempt_id, review_id, path, side, commit_sha)
     select $1, org_id, task_id, attempt_id, id, 'a.txt', 'new', commit_sha from reviews where id = $2`,
    [threadId, reviewId],
  );
  await queryAsOwner(
    app,
    `insert into review_comments (id, org_id, thread_id, review_id, author, body)
     select $1, org_id, $2, id, author, 'Why?' from reviews where id = $3`,
    [randomUUID(), threadId, reviewId],
  );
  await insertDraft(app, taskId, userId);
  await queryAsOwner(
    app,
    `insert into viewed_files (reviewer_id, task_id, org_id, path, blob_id)
     select $2, task_id, org_id, 'a.txt', commit_sha from reviews where id = $1`,
    [reviewId, userId],
  );
  return threadId;
}

/** A draft of a person for the attempt of a task that has a review. */
export async function insertDraft(
  app: Pick<TestApp, "owner">,
  taskId: string,
  userId: string,
): Promise<void> {
  await queryAsOwner(
    app,
    `insert into review_drafts (task_id, reviewer_id, org_id, attempt_id, verdict, body, comments, commit_sha, base_sha)
     select task_id, $2, org_id, attempt_id, verdict, body, '[]', commit_sha, base_sha from reviews
     where task_id = $1 limit 1`,
    [taskId, userId],
  );
}
