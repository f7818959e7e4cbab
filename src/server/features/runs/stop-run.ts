import { setTimeout as pause } from "node:timers/promises";
import type { Run } from "#shared/api/agents/runs.js";
import type { Database, Queryable } from "../../db/connection/connect.js";
import { AppError, notFound } from "../../errors.js";
import { requirePermission } from "../../access/access.js";
import type { OrgContext } from "../../http/requests/request-context.js";
import { cancelBuild } from "../environments/index.js";
import * as managed from "./managed-runs.queries.js";
import * as queries from "./runs.queries.js";
import type { Which } from "./runs.queries.js";

/** Maximum wait for a command to exit beyond its grace period. */
const timeoutMs = 30_000;

/**
 * Stops a run; idempotent. A queued run is canceled. A managed run's command is asked to exit, and its
 * end is awaited.
 * @throws AppError 403 for a build without `project:write`; 404; 409 `run_managed` for a check
 */
export async function stopRun(
  context: OrgContext,
  db: Database,
  runId: string,
  status: "succeeded" | "failed" | "stopped",
): Promise<Run> {
  const isManaged = await context.change(async (tx, audit, access) => {
    const run = await queries.findRun(tx, runId);
    if (!run) throw notFound();
    if (run.ended_at !== null) return false;
    if (run.kind === "check") {
      // Otherwise an agent could end the check of its own work as it likes.
      throw new AppError(
        "run_managed",
        "The server ends the checks of merges; cancel the merge or the merge request instead.",
      );
    }
    if (run.kind === "build") requirePermission(access, "project:write");
    const { agent, userId } = context.actor;
    const who = agent?.name ?? (await queries.readDisplayName(tx, userId));
    await queries.endLeasedRuns(tx, { id: runId }, status, `Ended by ${who}.`);
    await managed.endQueued(tx, { id: runId }, "stopped", `Stopped by ${who} while queued.`);
    // A build that did not end has no layer; the status of the request does not matter.
    const ending = run.kind === "build" ? "stopped" : status;
    await managed.requestStop(tx, { id: runId }, ending, `Stopped by ${who}.`);
    if (run.kind === "build") await cancelBuild(tx, runId, `Stopped by ${who}.`);
    if (run.kind === "leased") return false;
    if (!run.stop_requested) {
      audit({
        action: "run.stopped",
        target: await queries.ownerOf(tx, run),
        changes: { run_id: { from: null, to: runId } },
      });
    }
    return true;
  });
  if (isManaged) await hasEnded(db, context.orgId, { id: runId });
  const run = await context.tx((tx) => queries.findRun(tx, runId));
  if (!run) throw notFound();
  return run;
}

/**
 * Ends agents' runs in a transaction that lets none start: leased and queued runs at once; managed runs
 * are asked to end, and `waitForEnd` waits for them.
 */
export async function endRuns(tx: Queryable, which: Which, detail: string): Promise<void> {
  await queries.endLeasedRuns(tx, which, "stopped", detail);
  await endManagedRuns(tx, which, detail);
}

/** Like `endRuns`, for managed runs only. */
export async function endManagedRuns(tx: Queryable, which: Which, detail: string): Promise<void> {
  await managed.endQueued(tx, which, "stopped", detail);
  await managed.requestStop(tx, which, "stopped", detail);
}

/**
 * Waits until no managed run is active, after requesting their end and while none can start.
 * @throws AppError 409 `run_in_progress` when one has not ended in half a minute
 */
export async function waitForEnd(db: Database, orgId: string, which: Which): Promise<void> {
  if (await hasEnded(db, orgId, which)) return;
  throw new AppError("run_in_progress", "A run is still ending; try again in a moment.");
}

async function hasEnded(db: Database, orgId: string, which: Which): Promise<boolean> {
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
