import type { EgressReport } from "#shared/execution/runner/protocol.js";
import { publish } from "#shared/node/measurements.js";
import { insertEgress } from "../egress/egress.queries.js";
import { requireRunning } from "./require-run.js";
import type { RunnerRunDeps } from "./runner-run-deps.js";
import * as runnerRuns from "./runner-runs.queries.js";

/**
 * Adds a report of connections to a run. One that was counted before changes nothing.
 * @throws AppError 404; 409 `run_ended`, `run_not_offered`
 */
export async function reportEgress(
  { db }: Pick<RunnerRunDeps, "db">,
  runnerId: string,
  runId: string,
  { batch, allowed, denied, connections }: EgressReport,
): Promise<void> {
  const { id, org_id } = await requireRunning(db, runnerId, runId);
  const isNew = await db.tenant(org_id, async (tx) => {
    if (!(await runnerRuns.countEgressBatch(tx, id, runnerId, batch))) return false;
    await insertEgress(
      tx,
      { id, org_id },
      {
        allowed,
        denied,
        connections: connections.map(({ at, bytes_sent, bytes_received, ...connection }) => ({
          ...connection,
          at: new Date(at),
          bytesSent: bytes_sent,
          bytesReceived: bytes_received,
        })),
      },
    );
    return true;
  });
  if (isNew && denied > 0) publish("egressDenied", { connections: denied });
}
