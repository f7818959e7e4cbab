import { readDisplayName } from "../../../access/author.queries.js";
import type { Run } from "#shared/api/execution/runs.js";
import type { Database } from "../../../db/connection/connect.js";
import { AppError, notFound } from "../../../errors.js";
import { requirePermission } from "../../../access/access.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import { cancelBuild } from "../environments/index.js";
import { endLeasedRuns, endQueued, hasEnded, holdPrompts, requestStop } from "../run-ends/index.js";
import * as queries from "./runs.queries.js";

/**
 * Stops a run; idempotent. A queued run is canceled. A managed run's command is asked to exit, and its
 * end is awaited.
 * @throws AppError 403 for a build without `project:write`; 404; 409 `run_managed` for a check or a second opinion
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
    if (run.kind === "review") {
      throw new AppError(
        "run_managed",
        "The run gives a second opinion; cancel the opinion instead.",
      );
    }
    if (run.kind === "build") requirePermission(access, "project:write");
    const { agent, userId } = context.actor;
    const who = agent?.name ?? (await readDisplayName(tx, userId));
    await endLeasedRuns(tx, { id: runId }, status, `Ended by ${who}.`);
    await endQueued(tx, { id: runId }, "stopped", `Stopped by ${who} while queued.`);
    // A build that did not end has no layer; the status of the request does not matter.
    const ending = run.kind === "build" ? "stopped" : status;
    await holdPrompts(tx, { id: runId });
    await requestStop(tx, { id: runId }, ending, `Stopped by ${who}.`);
    if (run.kind === "build") await cancelBuild(tx, runId, `Stopped by ${who}.`);
    if (!run.stop_requested) {
      audit({
        action: "run.stopped",
        target: await queries.ownerOf(tx, run),
        changes: { run_id: { from: null, to: runId } },
      });
    }
    return run.kind !== "leased";
  });
  if (isManaged) await hasEnded(db, context.orgId, { id: runId });
  const run = await context.tx((tx) => queries.findRun(tx, runId));
  if (!run) throw notFound();
  return run;
}
