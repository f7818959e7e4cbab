import type { StartError } from "../../../db/tables/task-tables.js";
import { AppError } from "../../../errors.js";
import type { CallerContext } from "../../../http/requests/request-context.js";
import { finishWorkspace } from "../../code/workspaces/index.js";
import { startSession, type RunDeps } from "../../execution/runs/start.js";
import * as queries from "./tasks.queries.js";
import { type AttemptRow, mayStart, updateAttempt } from "./queries/attempts.queries.js";

type ReservedAttempt = Pick<AttemptRow, "id" | "agent_id" | "session_id" | "launch">;

/**
 * Completes the workspace of an attempt and starts its session, whose first prompt is sent in the same transaction. The
 * id of the session is known before, so that it starts once.
 * @throws AppError 409 `task_finished` if the task was stopped or finished meanwhile, and as `startSession`
 */
export async function startAttempt(
  deps: RunDeps,
  context: CallerContext,
  { id, agent_id, session_id, launch }: ReservedAttempt,
): Promise<void> {
  await finishWorkspace(deps.workspaces, context.orgId, agent_id);
  await startSession(deps, context, agent_id, launch, {
    id: session_id,
    prepare: async (tx) => {
      if (!(await mayStart(tx, id))) throw stoppedMeanwhile();
    },
  });
}

export const stoppedMeanwhile = (): AppError =>
  new AppError("task_finished", "The task was stopped or finished meanwhile.");

/** Starts an attempt for which no request waits: the reason of a refusal is kept, and shown. */
export async function startAttemptLater(
  deps: RunDeps,
  context: CallerContext,
  attempt: AttemptRow,
): Promise<void> {
  try {
    await startAttempt(deps, context, attempt);
    if (attempt.start_error === null) return;
    await deps.db.tenant(context.orgId, async (tx) => {
      await updateAttempt(tx, attempt.id, { start_error: null });
      await queries.refreshTask(tx, attempt.task_id);
    });
  } catch (error) {
    if (error instanceof AppError && error.code === "task_finished") return;
    if (!(error instanceof AppError)) {
      deps.log.error({ err: error, attempt: attempt.id }, "an attempt at a task cannot start");
    }
    await recordStartError(deps, context.orgId, attempt, error);
  }
}

/** Tells why something could not start. */
export function startErrorOf(error: unknown): StartError {
  const at = new Date().toISOString();
  if (error instanceof AppError) return { code: error.code, detail: error.message, at };
  const detail = "The server could not start it; the operator can find the cause in its log.";
  return { code: "internal", detail, at };
}

/** Keeps why an attempt could not start. */
export async function recordStartError(
  deps: Pick<RunDeps, "db">,
  orgId: string,
  { id, task_id }: Pick<AttemptRow, "id" | "task_id">,
  error: unknown,
): Promise<void> {
  await deps.db.tenant(orgId, async (tx) => {
    await updateAttempt(tx, id, { start_error: startErrorOf(error) });
    await queries.refreshTask(tx, task_id);
  });
}
