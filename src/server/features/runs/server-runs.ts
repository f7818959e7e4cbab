/** Runs that the server starts itself: checks of merges and builds of environments. */
import type { Queryable } from "../../db/connection/connect.js";
import { readUsage } from "../usage/index.js";
import * as managed from "./managed-runs.queries.js";
import type { RunDeps } from "./run-deps.js";

/** They have no caller and no prompt, and no variables of their own. */
export const NOT_ASKED = {
  started_by: null,
  origin: null,
  env_names: [],
  prompt: null,
  model: null,
};

/** The checks and builds of an organization wait until it has hours again. */
export class OutOfHoursError extends Error {
  override readonly name = "OutOfHoursError";
  readonly orgId: string;

  constructor(orgId: string, limit: number) {
    super(`Waiting: the organization's ${limit} hours of this month are used up.`);
    this.orgId = orgId;
  }
}

/** @throws OutOfHoursError */
export async function requireHours(tx: Queryable, orgId: string): Promise<void> {
  const hours = (await readUsage(tx, orgId))?.runtime_hours;
  if (!hours || hours.current < hours.limit) return;
  throw new OutOfHoursError(orgId, hours.limit);
}

/**
 * Extends the lease of a reserved run until the supervisor does: making a large folder takes longer than
 * the lease. Returns a function that ends this.
 */
export function holdLease({ db }: RunDeps, runId: string): () => void {
  const beat = setInterval(() => {
    const heartbeat = { id: runId, bytes: 0, truncated: false };
    db.withSystem("hold a run", (tx) => managed.recordHeartbeats(tx, [heartbeat])).catch(
      () => undefined,
    );
  }, 3000);
  return () => clearInterval(beat);
}
