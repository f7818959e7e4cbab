import type { Run } from "#shared/api/execution/runs.js";
import { AppError, notFound } from "../../../errors.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import * as queries from "./runs.queries.js";

/**
 * Extends the lease of a leased run.
 * @throws AppError 409 `run_ended`, `run_managed`
 */
export async function heartbeat(context: OrgContext, runId: string): Promise<Run> {
  return context.write(async (tx) => {
    const extended = await queries.extendLease(tx, runId);
    const run = await queries.findRun(tx, runId);
    if (!run) throw notFound();
    if (extended) return run;
    if (run.kind !== "leased" && run.ended_at === null) {
      throw new AppError("run_managed", "The server keeps this run alive; send no heartbeats.");
    }
    // The watch ends an expired run within seconds; for its agent it has already ended.
    const status = run.status === "running" ? "lost" : run.status;
    throw new AppError("run_ended", `The run has ended (${status}); start a new one.`, {
      run_status: status,
      stop_requested: true,
    });
  });
}
