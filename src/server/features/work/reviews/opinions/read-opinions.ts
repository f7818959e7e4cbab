import type { Opinion } from "#shared/api/work/opinions.js";
import { presetTitles } from "#shared/execution/run-choices.js";
import { notFound } from "../../../../errors.js";
import type { CallerContext } from "../../../../http/requests/request-context.js";
import {
  blockOf,
  findOpinion,
  isAbout,
  listOpinions,
  type ReadOpinion,
} from "../../../code/workspaces/index.js";
import type { RunDeps } from "../../../execution/runs/start.js";
import { readAttempts, type ReadAttempt, type ReadTask } from "../../tasks/index.js";
import { changeId } from "../change-ids.js";
import { changeOf, findTask } from "../reviewed-attempt.js";

/** Reads a page of the second opinions of a task, newest first. @throws AppError 404 */
export async function readOpinions(
  deps: RunDeps,
  context: CallerContext,
  taskId: string,
  after: string | null,
  limit: number,
): Promise<Opinion[]> {
  const { task, attempts, rows } = await context.tx(async (tx) => ({
    task: await findTask(tx, context, taskId),
    attempts: await readAttempts(tx, [taskId]),
    rows: await listOpinions(tx, taskId, after, limit),
  }));
  return present(deps, task, attempts, rows);
}

/** @throws AppError 404 */
export async function readOpinion(
  deps: RunDeps,
  context: CallerContext,
  id: string,
): Promise<Opinion> {
  const { task, attempts, row } = await context.tx(async (tx) => {
    const found = await findOpinion(tx, id);
    if (!found) throw notFound();
    return {
      row: found,
      task: await findTask(tx, context, found.task_id),
      attempts: await readAttempts(tx, [found.task_id]),
    };
  });
  const [opinion] = await present(deps, task, attempts, [row]);
  if (!opinion) throw notFound();
  return opinion;
}

async function present(
  deps: RunDeps,
  task: ReadTask,
  attempts: readonly ReadAttempt[],
  rows: readonly ReadOpinion[],
): Promise<Opinion[]> {
  const changes = new Map<string, { head: string; patchId: string | null }>();
  for (const attempt of attempts) {
    if (!rows.some(({ attempt_id }) => attempt_id === attempt.id)) continue;
    const change = await changeOf(deps, task, attempt);
    if (change) changes.set(attempt.id, { head: change.head, patchId: await changeId(change) });
  }
  return rows.map((row): Opinion => {
    const change = changes.get(row.attempt_id);
    return {
      id: row.id,
      task_id: row.task_id,
      attempt_id: row.attempt_id,
      preset: row.preset,
      title: presetTitles[row.preset],
      model: row.model,
      prompt: row.prompt,
      required: row.required,
      commit_sha: row.commit_sha,
      base_sha: row.base_sha,
      current: change !== undefined && isAbout(row, change),
      status: row.status,
      detail: row.detail,
      run_id: row.run_id,
      review_id: row.review_id,
      verdict: row.verdict,
      summary: row.summary,
      open_threads: row.open_threads,
      blocks: blockOf(row),
      cost_usd: row.cost_usd,
      dismissed: row.dismissed,
      requested_by: row.requested_by,
      created_at: row.created_at,
      started_at: row.started_at,
      ended_at: row.ended_at,
    };
  });
}
