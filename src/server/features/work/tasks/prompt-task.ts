import { MAX_TASK_BYTES } from "#shared/api/work/tasks.js";
import type { Queryable } from "../../../db/connection/connect.js";
import { newId } from "../../../db/tables/columns.js";
import { AppError, notFound } from "../../../errors.js";
import type { CallerContext } from "../../../http/requests/request-context.js";
import { waitForEnd } from "../../execution/run-ends/index.js";
import {
  countWaiting,
  sendPrompt,
  startSession,
  type RunDeps,
} from "../../execution/runs/start.js";
import { requireStart, targetOf } from "./create-task.js";
import {
  addAttempts,
  attemptsOf,
  finished,
  requireAttempt,
  requireReleased,
} from "./direct-task.js";
import { requireTask } from "./read-task.js";
import { startAttempt } from "./start-attempt.js";
import * as queries from "./tasks.queries.js";
import type { TaskRow } from "./tasks.queries.js";
import {
  type AttemptRow,
  findAttempt,
  listAttempts,
  newestPrompt,
  setSession,
  updateAttempt,
} from "./queries/attempts.queries.js";
import { readAttempts } from "./queries/read-tasks.queries.js";

/**
 * Sends a prompt to an attempt, and starts its session again where it has ended. A task that is done is opened again.
 * @throws AppError 403; 404; 409 `no_attempt`, `attempt_archived`, `task_finished`, and as `sendPrompt`
 */
export async function promptTask(
  deps: RunDeps,
  context: CallerContext,
  id: string,
  { text, attempt_id }: { text: string; attempt_id?: string | undefined },
  delivery?: PromptDelivery,
): Promise<void> {
  requireStart(context);
  const { task, attempt } = await context.change(async (tx, audit) => {
    const found = await requireTask(tx, context.actor, id);
    if (found.resolution === "cancelled") throw finished(found);
    const { all, main } = await attemptsOf(tx, found);
    const named = attempt_id === undefined ? main : all.find((one) => one.id === attempt_id);
    if (attempt_id !== undefined && !named) throw notFound();
    const { id: attemptId, status } = requireAttempt(named, all.length);
    if (status === "archived") {
      throw new AppError("attempt_archived", "The attempt is archived; name another one, or none.");
    }
    audit({ action: "task.prompted", target: targetOf(found) });
    return { task: found, attempt: attemptId };
  });
  await promptAttempt(deps, context, task, attempt, text, delivery);
}

/**
 * Opens a task and one of its attempts again, in the transaction that stores a prompt. Returns what takes that back.
 * @throws AppError 409 `task_finished` if the task was canceled meanwhile
 */
async function reopen(
  tx: Queryable,
  taskId: string,
  attemptId: string,
): Promise<(tx: Queryable) => Promise<void>> {
  const task = await queries.lockTask(tx, taskId);
  if (!task) throw notFound();
  if (task.resolution === "cancelled") throw finished(task);
  const { attempt } = await findAttempt(tx, attemptId);
  const set = async (
    write: Queryable,
    { resolution, finished_at }: Pick<TaskRow, "resolution" | "finished_at">,
    { stopped_at, start_error }: Pick<AttemptRow, "stopped_at" | "start_error">,
  ): Promise<void> => {
    if (task.resolution !== null) {
      await queries.updateTask(write, taskId, { resolution, finished_at });
    }
    await updateAttempt(write, attemptId, { stopped_at, start_error });
    await queries.refreshTask(write, taskId);
  };
  await set(tx, { resolution: null, finished_at: null }, { stopped_at: null, start_error: null });
  return (undoing) => set(undoing, task, attempt);
}

export interface PromptDelivery {
  /** Called in the transaction that stores the prompt. It may refuse. */
  stored: (tx: Queryable, sessionId: string, number: number) => Promise<void>;
  /** Called in the transaction that removes the prompt again, if the program cannot start. */
  removed: (tx: Queryable) => Promise<void>;
}

/**
 * Sends a prompt to the session of an attempt, or to a new one if that cannot go on.
 * @throws AppError 409 `task_finished`, and as `sendPrompt`
 */
export async function promptAttempt(
  deps: RunDeps,
  context: CallerContext,
  task: Pick<TaskRow, "id">,
  attemptId: string,
  text: string,
  delivery?: PromptDelivery,
): Promise<void> {
  const { attempt, session, is_of_forge } = await context.tx((tx) => findAttempt(tx, attemptId));
  if (session?.goes_on === true) {
    let takeBack: Awaited<ReturnType<typeof reopen>> | undefined;
    try {
      await sendPrompt(deps, context, attempt.session_id, text, {
        prepare: async (tx, number) => {
          takeBack = await reopen(tx, task.id, attemptId);
          await delivery?.stored(tx, attempt.session_id, number);
        },
        undo: async (tx) => {
          await delivery?.removed(tx);
          await takeBack?.(tx);
        },
      });
      return;
    } catch (error) {
      // Its program has ended meanwhile, and cannot take it up again.
      if (!(error instanceof AppError) || error.code !== "session_closed") throw error;
    }
  }
  const isFirst = session === undefined && is_of_forge;
  await startAgain(deps, context, attempt, isFirst ? introducing(attempt, text) : text, {
    prepare: async (tx) => {
      await reopen(tx, task.id, attemptId);
    },
    ...(delivery && { stored: delivery.stored }),
  });
}

/** Returns the first prompt of an attempt whose work came from a forge: its agent does not know the task yet. */
function introducing({ launch }: AttemptRow, text: string): string {
  const prompt = `${launch.prompt}\n\n${text}`;
  return Buffer.byteLength(prompt) > MAX_TASK_BYTES ? text : prompt;
}

/**
 * Starts a new session of an attempt, whose former one cannot go on or never began. Of two starts at once, one succeeds.
 * Prompts that wait in the former one go before.
 * @param hooks called in the transaction that starts it
 * @throws AppError 409 `run_in_progress`, and as `startSession`
 */
export async function startAgain(
  deps: RunDeps,
  context: CallerContext,
  attempt: AttemptRow,
  prompt: string | undefined,
  {
    prepare,
    stored,
  }: Partial<Pick<PromptDelivery, "stored">> & {
    prepare?: (tx: Queryable) => Promise<void>;
  } = {},
): Promise<void> {
  await waitForEnd(deps.db, context.orgId, { agentId: attempt.agent_id });
  const id = newId();
  await startSession(
    deps,
    context,
    attempt.agent_id,
    { ...attempt.launch, prompt },
    {
      id,
      former: attempt.session_id,
      prepare: async (tx) => {
        if (!(await setSession(tx, attempt, id))) {
          throw new AppError("run_in_progress", "The attempt is already being started again.");
        }
        await prepare?.(tx);
        await queries.refreshTask(tx, attempt.task_id);
      },
      ...(stored && { stored: (tx: Queryable, number: number) => stored(tx, id, number) }),
    },
  );
}

/** The prompt of a retry of a session that can go on. */
const CONTINUE = "Your last turn did not end as it should. Go on with the task from where you are.";

/**
 * Starts what has failed, was stopped or has not begun: a session that can go on is asked to, another one gets its last
 * prompt again.
 * @throws AppError 409 `task_finished`, `task_held`, `nothing_to_retry`, and as `startSession`
 */
export async function retryTask(deps: RunDeps, context: CallerContext, id: string): Promise<void> {
  requireStart(context);
  const { task, attempts, newest } = await context.change(async (tx) => {
    const found = await requireTask(tx, context.actor, id);
    if (found.resolution !== null) throw finished(found);
    requireReleased(found);
    const rows = await listAttempts(tx, id);
    return { task: found, attempts: await readAttempts(tx, [id]), newest: rows.at(-1) };
  });
  if (attempts.every(({ status }) => status === "archived")) {
    // A task whose agents are gone keeps its program.
    const { attempts: count = 1, ...launch }: Partial<NonNullable<TaskRow["launch"]>> =
      task.launch ?? newest?.launch ?? {};
    const isFirst = attempts.length === 0;
    await addAttempts(deps, context, id, { ...launch, count, isFirst });
    return;
  }
  const { chosen_attempt_id } = task;
  const failed = attempts.filter(
    (attempt) =>
      (attempt.status === "failed" || attempt.status === "stopped") &&
      (chosen_attempt_id === null || attempt.id === chosen_attempt_id),
  );
  if (failed.length === 0) {
    throw new AppError("nothing_to_retry", "No attempt has failed or was stopped.");
  }
  const results = await Promise.allSettled(
    failed.map((attempt) => retryAttempt(deps, context, task, attempt.id)),
  );
  const refused = results.find((result) => result.status === "rejected");
  if (refused) throw refused.reason;
}

async function retryAttempt(
  deps: RunDeps,
  context: CallerContext,
  task: TaskRow,
  attemptId: string,
): Promise<void> {
  const { attempt, session } = await context.tx((tx) => findAttempt(tx, attemptId));
  if (session?.goes_on === true && session.has_had_turn) {
    await promptAttempt(deps, context, task, attemptId, CONTINUE);
  } else if (session === undefined) {
    await startUnstarted(deps, context, attempt);
  } else {
    await startAgain(deps, context, attempt, await promptToRepeat(context, attempt));
  }
}

/** Returns the prompt that a new session of an attempt gets again; undefined if one waits for it. */
export const promptToRepeat = (
  context: CallerContext,
  { session_id, launch }: AttemptRow,
): Promise<string | undefined> =>
  context.tx(async (tx) =>
    (await countWaiting(tx, session_id)) > 0
      ? undefined
      : ((await newestPrompt(tx, session_id)) ?? launch.prompt),
  );

/** Starts an attempt that never had a session. */
async function startUnstarted(
  deps: RunDeps,
  context: CallerContext,
  attempt: AttemptRow,
): Promise<void> {
  const { stopped_at, start_error } = attempt;
  const set = (changes: Pick<AttemptRow, "stopped_at" | "start_error">): Promise<void> =>
    deps.db.tenant(context.orgId, async (tx) => {
      await updateAttempt(tx, attempt.id, changes);
      await queries.refreshTask(tx, attempt.task_id);
    });
  await set({ stopped_at: null, start_error: null });
  try {
    await startAttempt(deps, context, attempt);
  } catch (error) {
    await set({ stopped_at, start_error });
    throw error;
  }
}
