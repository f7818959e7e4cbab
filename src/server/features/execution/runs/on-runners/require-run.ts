import type { Run } from "#shared/api/execution/runs.js";
import type { Database } from "../../../../db/connection/connect.js";
import { AppError, notFound } from "../../../../errors.js";
import * as runnerRuns from "./runner-runs.queries.js";
import type { RunnerRun } from "./runner-runs.queries.js";

/**
 * Returns a run that is or was offered to a runner; those of others do not exist for it.
 * @throws AppError 404
 */
export async function requireRun(
  db: Database,
  runnerId: string,
  runId: string,
): Promise<RunnerRun> {
  const run = await db.withSystem("find a run of a runner", (tx) =>
    runnerRuns.findRunOfRunner(tx, runnerId, runId),
  );
  if (!run) throw notFound();
  return run;
}

/**
 * Returns a run that the runner executes.
 * @throws AppError 404; 409 `run_ended`, `run_not_offered`
 */
export async function requireRunning(
  db: Database,
  runnerId: string,
  runId: string,
): Promise<RunnerRun> {
  const run = await requireRun(db, runnerId, runId);
  if (run.status === "queued") {
    throw new AppError("run_not_offered", "The run has not been started; start it first.");
  }
  if (run.status !== "running") throw runHasEnded(run);
  return run;
}

/**
 * Returns a run whose repository the runner may read: one that it executes or, outside of the cluster, has just ended.
 * @throws AppError as `requireRunning`
 */
export async function requireReadable(
  db: Database,
  runnerId: string,
  runId: string,
): Promise<RunnerRun> {
  const run = await requireRun(db, runnerId, runId);
  return run.has_just_ended && !run.in_cluster ? run : requireRunning(db, runnerId, runId);
}

export function runHasEnded({ status }: Pick<Run, "status">): AppError {
  return new AppError("run_ended", `The run has ended (${status}); nothing more is taken of it.`, {
    run_status: status,
  });
}
