/** Sends a request for changes to the agent, once. */
import { AppError, notFound } from "../../../errors.js";
import type { CallerContext } from "../../../http/requests/request-context.js";
import { interruptTurn, type RunDeps } from "../../execution/runs/start.js";
import { promptAttempt } from "../tasks/index.js";
import { composePrompt } from "./review-prompt.js";
import { findTask } from "./reviewed-attempt.js";
import * as queries from "./reviews.queries.js";
import * as threads from "./threads.queries.js";

const sentBefore = (): AppError =>
  new AppError("stale", "The review was sent to the agent before.");

/**
 * Sends a review that asks for changes as the next prompt of the reviewed attempt. The state of the review changes in
 * the transaction that stores the prompt, so that it is sent once, also after a crash.
 * @throws AppError as `promptAttempt`
 */
export async function deliverReview(
  deps: RunDeps,
  context: CallerContext,
  id: string,
): Promise<void> {
  const { review, task, own } = await context.tx(async (tx) => {
    const found = await queries.findReview(tx, id);
    if (!found) throw notFound();
    return {
      review: found,
      task: await findTask(tx, context, found.task_id),
      own: await threads.findThreads(tx, found.thread_ids),
    };
  });
  if (review.prompt_state !== "pending") return;
  const repoPath = deps.storage.repository(task.org_id, task.project_id);
  const text = await composePrompt(repoPath, { task, review, threads: own });
  await promptAttempt(deps, context, task, review.attempt_id, text, {
    stored: async (tx, sessionId, number) => {
      if (!(await queries.markSent(tx, id, number))) throw sentBefore();
      if (review.interrupts) await interruptTurn(tx, context, sessionId);
    },
    removed: (tx) => queries.setPromptState(tx, id, "pending"),
  });
}
