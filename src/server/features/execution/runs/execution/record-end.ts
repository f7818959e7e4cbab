import type { Masker } from "#execution/logs/mask-secrets.js";
import type { Exit } from "#execution/outcome.js";
import { checkpointAfterRun, type RunCommits } from "../../../code/workspaces/index.js";
import * as managed from "../managed-runs.queries.js";
import type { ManagedRun } from "../managed-runs.queries.js";
import type { ExecutionDeps } from "./launch.js";

const endLost =
  "The cause of its end could not be stored; the operator can find it in the server's log.";

/** Records the exit of a command, then what it has made, and the end of its run. */
export async function recordEnd(
  { db, lease, workspaces, succeeded, log, records, closing }: ExecutionDeps,
  run: ManagedRun,
  masker: Masker,
  commits: RunCommits | null,
  written: Exit,
): Promise<void> {
  const { record, attempt } = records;
  const tenant = <Result>(work: Parameters<typeof db.tenant<Result>>[1]) =>
    db.tenant(run.org_id, work);
  const recordExit = (values: Exit) => () => tenant((tx) => managed.recordExit(tx, run.id, values));
  const isRecorded =
    (await attempt(run, "the end of a run", recordExit(written))) ??
    (await record("the end of a run", recordExit({ ...written, detail: endLost, result: null })));
  // The steps below write to the disk.
  await lease.untilHeld(closing);
  if (!isRecorded) return;
  const checkpoint =
    run.kind === "managed"
      ? await checkpointAfterRun(workspaces, run.org_id, run.agent_id, log, commits)
      : null;
  if (run.kind !== "managed" && written.outcome === "succeeded") {
    await attempt(run, `the result of a ${run.kind}`, () => succeeded(run, masker));
  }
  const end = (values: typeof checkpoint) => () =>
    tenant(async (tx) => {
      if (values) await managed.recordCheckpoint(tx, run.id, values);
      await managed.endExited(tx, run.id);
      return true;
    });
  const isEnded = await attempt(run, "the end of a run", end(checkpoint));
  if (!isEnded) await record("the end of a run", end(null));
}
