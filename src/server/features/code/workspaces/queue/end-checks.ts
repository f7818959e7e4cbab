import type { Queryable } from "../../../../db/connection/connect.js";
import { endManagedRuns } from "../../../execution/run-ends/index.js";

/** Ends the runs of checks that nothing waits for any more. */
export async function endChecks(
  tx: Queryable,
  runIds: readonly string[],
  reason: string,
): Promise<void> {
  for (const id of runIds) await endManagedRuns(tx, { id }, reason);
}
