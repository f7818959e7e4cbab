import {
  MAX_OPEN_OPINIONS,
  MAX_OPINIONS,
  type NewOpinion,
  type Opinion,
} from "#shared/api/work/opinions.js";
import { presetTitles } from "#shared/execution/run-choices.js";
import { isPerson } from "../../../../access/authenticate.js";
import { authorOf } from "../../../../access/author.queries.js";
import { originOf } from "../../../../db/audit/audit.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { newId } from "../../../../db/tables/columns.js";
import { AppError, notFound } from "../../../../errors.js";
import type { CallerContext } from "../../../../http/requests/request-context.js";
import {
  countOpinions,
  endOpinion,
  hasPushedToAgent,
  insertOpinion,
  isOpenOpinion,
  lockOpinion,
  requeueOpinion,
  setDismissed,
  type OpinionRow,
} from "../../../code/workspaces/index.js";
import { endManagedRuns } from "../../../execution/run-ends/index.js";
import { rejectRunToken, requireReviewer, type RunDeps } from "../../../execution/runs/start.js";
import { finished, requireTask, targetOf } from "../../tasks/index.js";
import { changeId } from "../change-ids.js";
import { findTask, readReviewed } from "../reviewed-attempt.js";
import { continueMerge } from "./continue-merge.js";
import { readOpinion } from "./read-opinions.js";

/**
 * Asks an agent for a second opinion on the change of a task. It starts when a server has room for it.
 * @throws AppError 403 `run_token_starts_no_runs`; 404; 409 `task_finished`, `no_attempt`, `attempt_archived`,
 * `nothing_to_review`, `too_many_opinions`, and as `requireReviewer`
 */
export async function askOpinion(
  deps: RunDeps,
  context: CallerContext,
  taskId: string,
  { preset, prompt, attempt_id, ...wanted }: NewOpinion,
): Promise<Opinion> {
  rejectRunToken(context);
  const model = wanted.model ?? null;
  const reviewed = await readReviewed(deps, context, taskId, attempt_id);
  const { attempt, task, head, base } = reviewed;
  if (attempt.status === "archived") {
    throw new AppError("attempt_archived", "The attempt is archived; ask about another one.");
  }
  const patchId = await changeId(reviewed);
  if (patchId === null) {
    throw new AppError("nothing_to_review", "The attempt has changed nothing yet.");
  }
  const { org_id, project_id } = task;
  const { agent_id } = attempt;
  await requireReviewer(deps, { org_id, project_id, agent_id, preset, model });
  const id = newId();
  await context.change(async (tx, audit) => {
    const current = await requireTask(tx, context.actor, taskId);
    if (current.resolution !== null) throw finished(current);
    await requireRoom(tx, taskId, true);
    await insertOpinion(tx, {
      id,
      org_id,
      project_id,
      task_id: taskId,
      attempt_id: attempt.id,
      agent_id,
      preset,
      model,
      prompt,
      required: false,
      commit_sha: head,
      base_sha: base,
      patch_id: patchId,
      requested_by: authorOf(context),
      origin: originOf(context),
    });
    audit({
      action: "opinion.requested",
      target: targetOf(current),
      changes: {
        opinion_id: { from: null, to: id },
        preset: { from: null, to: preset },
        commit_sha: { from: null, to: head },
      },
    });
  });
  await deps.jobs.send("start-opinions", {});
  return readOpinion(deps, context, id);
}

/** @throws AppError 409 `too_many_opinions` */
async function requireRoom(tx: Queryable, taskId: string, isNew: boolean): Promise<void> {
  const { all, open } = await countOpinions(tx, taskId);
  if (isNew && all >= MAX_OPINIONS) {
    throw new AppError("too_many_opinions", `A task has at most ${MAX_OPINIONS} second opinions.`);
  }
  if (open < MAX_OPEN_OPINIONS) return;
  throw new AppError(
    "too_many_opinions",
    `${open} second opinions of the task have not ended; wait for them, or cancel one.`,
  );
}

/** Locks an opinion of a task that the caller directs. @throws AppError 403; 404 */
async function requireOpinion(
  tx: Queryable,
  context: CallerContext,
  id: string,
): Promise<{ opinion: OpinionRow; task: Awaited<ReturnType<typeof requireTask>> }> {
  const opinion = await lockOpinion(tx, id);
  if (!opinion) throw notFound();
  return { opinion, task: await requireTask(tx, context.actor, opinion.task_id) };
}

/**
 * Runs an opinion again that has ended without a review, on behalf of the caller.
 * @throws AppError 403 `run_token_starts_no_runs`; 404; 409 `task_finished`, `opinion_open`, `too_many_opinions`
 */
export async function retryOpinion(
  deps: RunDeps,
  context: CallerContext,
  id: string,
): Promise<Opinion> {
  rejectRunToken(context);
  const row = await context.change(async (tx, audit) => {
    const { opinion, task } = await requireOpinion(tx, context, id);
    if (task.resolution !== null) throw finished(task);
    if (opinion.status !== "failed" && opinion.status !== "cancelled") {
      throw new AppError(
        "opinion_open",
        opinion.status === "done"
          ? "Its review is published; ask for another opinion."
          : "The second opinion has not ended yet.",
      );
    }
    await requireRoom(tx, opinion.task_id, false);
    await requeueOpinion(tx, opinion, { attempts: 0, origin: originOf(context) });
    audit({
      action: "opinion.requested",
      target: targetOf(task),
      changes: { opinion_id: { from: null, to: id }, preset: { from: null, to: opinion.preset } },
    });
    return opinion;
  });
  await deps.jobs.send("start-opinions", {});
  await continueMerge(deps, row);
  return readOpinion(deps, context, id);
}

/** Stops an opinion that has not ended. @throws AppError 404; 409 `opinion_ended` */
export async function cancelOpinion(
  deps: RunDeps,
  context: CallerContext,
  id: string,
): Promise<Opinion> {
  const row = await context.change(async (tx, audit) => {
    const { opinion, task } = await requireOpinion(tx, context, id);
    if (!isOpenOpinion(opinion)) {
      throw new AppError("opinion_ended", "The second opinion has ended already.");
    }
    const detail = "It was canceled.";
    if (opinion.run_id !== null) await endManagedRuns(tx, { id: opinion.run_id }, detail);
    await endOpinion(tx, opinion, { status: "cancelled", detail });
    audit({
      action: "opinion.cancelled",
      target: targetOf(task),
      changes: { opinion_id: { from: null, to: id } },
    });
    return opinion;
  });
  await continueMerge(deps, row);
  return readOpinion(deps, context, id);
}

/**
 * Dismisses an opinion, so that it holds up no merge. A person may who could approve the change.
 * @throws AppError 403 `own_work`; 404; 409 `opinion_open`
 */
export async function dismissOpinion(
  deps: RunDeps,
  context: CallerContext,
  id: string,
  reason: string,
): Promise<Opinion> {
  const { actor } = context;
  const row = await context.change(async (tx, audit) => {
    const opinion = await lockOpinion(tx, id);
    if (!opinion) throw notFound();
    const task = await findTask(tx, context, opinion.task_id);
    if (!isPerson(actor)) {
      throw new AppError("insufficient_permission", "Only a person can dismiss a second opinion.");
    }
    if (await hasPushedToAgent(tx, opinion.agent_id, actor.userId)) {
      throw new AppError(
        "own_work",
        "You pushed to the branch of this change; another person has to dismiss the opinion.",
      );
    }
    if (isOpenOpinion(opinion)) {
      throw new AppError("opinion_open", "The second opinion has not ended; cancel it first.");
    }
    if (opinion.dismissed !== null) return opinion;
    await setDismissed(tx, id, authorOf(context), reason);
    audit({
      action: "opinion.dismissed",
      target: targetOf(task),
      changes: {
        opinion_id: { from: null, to: id },
        reviewer: { from: null, to: presetTitles[opinion.preset] },
        reason: { from: null, to: reason },
      },
    });
    return opinion;
  });
  await continueMerge(deps, row);
  return readOpinion(deps, context, id);
}
