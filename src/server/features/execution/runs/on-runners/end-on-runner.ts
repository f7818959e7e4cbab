import type { RunEnd } from "#shared/execution/runner/protocol.js";
import { publish, type RunPhase } from "#shared/node/measurements.js";
import { invalidField } from "../../../../errors.js";
import * as managed from "../managed-runs.queries.js";
import { requireRun, requireRunning, runHasEnded } from "./require-run.js";
import type { RunnerRunDeps } from "./runner-run-deps.js";
import * as runnerRuns from "./runner-runs.queries.js";

/**
 * Ends a run as its runner reports. A repetition changes nothing.
 * @throws AppError 404; 409 `run_ended` if it ended otherwise, `run_not_offered`; 422
 */
export async function endRunOnRunner(
  deps: RunnerRunDeps,
  runnerId: string,
  runId: string,
  { repository_error, ...exit }: RunEnd,
): Promise<void> {
  if (exit.outcome === "queued" || exit.outcome === "running") {
    throw invalidField("outcome", "is not the end of a run");
  }
  const { db, jobs } = deps;
  const known = await requireRun(db, runnerId, runId);
  if (known.exited_at !== null) return;
  const { org_id } = await requireRunning(db, runnerId, runId);
  const ended = await db.tenant(org_id, (tx) =>
    runnerRuns.endOnRunner(tx, runId, runnerId, exit, repository_error),
  );
  if (!ended) {
    const now = await requireRun(db, runnerId, runId);
    if (now.exited_at !== null) return;
    throw runHasEnded(now);
  }
  publish("run", { kind: known.kind, status: exit.outcome, phases: phasesOf(ended) });
  deps.streams.written(runId);
  if (deps.movesLogs) await sendLater(deps, () => jobs.send("sync-logs", {}));
  const waiting = await db.tenant(org_id, (tx) => managed.countQueued(tx, org_id));
  if (waiting > 0) await sendLater(deps, () => jobs.send("start-queued-runs", { org_id }));
}

/** The runner prepares the working tree, and sends the commits, within the phase of the command. */
function phasesOf({ created_at, started_at, exited_at }: runnerRuns.EndedOnRunner): RunPhase[] {
  const [queued, started, ended] = [created_at, started_at, exited_at].map(
    (at) => new Date(at ?? created_at),
  ) as [Date, Date, Date];
  return [
    { name: "queued", from: queued, to: started },
    { name: "command", from: started, to: ended },
  ];
}

/** The run has ended: a job that cannot be sent now is sent by the next watch. */
async function sendLater({ log }: RunnerRunDeps, send: () => Promise<void>): Promise<void> {
  await send().catch((error: unknown) => {
    log.warn({ err: error }, "a job after a run was not sent; it is sent later");
  });
}
