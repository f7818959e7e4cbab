import { setTimeout as pause } from "node:timers/promises";
import type { Database, Queryable } from "../../../db/connection/connect.js";
import { AppError } from "../../../errors.js";
import * as queries from "./run-ends.queries.js";
import type { Which } from "./run-ends.queries.js";

/** Maximum wait for a command to exit beyond its grace period. */
const timeoutMs = 30_000;

/**
 * Ends agents' runs in a transaction that lets none start: leased and queued runs at once; managed runs
 * are asked to end, and `waitForEnd` waits for them.
 */
export async function endRuns(tx: Queryable, which: Which, detail: string): Promise<void> {
  await queries.endLeasedRuns(tx, which, "stopped", detail);
  await endManagedRuns(tx, which, detail);
}

/** Like `endRuns`, for managed runs only. Prompts that wait start no other one. */
export async function endManagedRuns(tx: Queryable, which: Which, detail: string): Promise<void> {
  await queries.holdPrompts(tx, which);
  await queries.endQueued(tx, which, "stopped", detail);
  await queries.requestStop(tx, which, "stopped", detail);
}

/** Ends the program of a session at rest as a success; the next prompt starts it again. */
export async function endAtRest(tx: Queryable, runId: string, detail: string): Promise<void> {
  await queries.requestStop(tx, { id: runId }, "succeeded", detail);
}

/**
 * Waits until no managed run is active, after requesting their end and while none can start.
 * @throws AppError 409 `run_in_progress` when one has not ended in half a minute
 */
export async function waitForEnd(db: Database, orgId: string, which: Which): Promise<void> {
  if (await hasEnded(db, orgId, which)) return;
  throw new AppError("run_in_progress", "A run is still ending; try again in a moment.");
}

/** Returns false if a run has not ended in half a minute. */
export async function hasEnded(db: Database, orgId: string, which: Which): Promise<boolean> {
  const end = Date.now() + timeoutMs;
  let changed: () => void = () => {};
  const unsubscribe = db.changes.subscribe((change) => {
    if (change === null || change.orgId === orgId) changed();
  });
  try {
    for (;;) {
      const heard = new Promise<void>((resolve) => {
        changed = resolve;
      });
      const running = await db.tenant(orgId, (tx) => queries.countRunning(tx, which));
      if (running === 0) return true;
      if (Date.now() >= end) return false;
      await Promise.race([heard, pause(500)]);
    }
  } finally {
    unsubscribe();
  }
}
