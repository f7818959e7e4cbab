/** Runs that the server starts itself: checks of merges, builds of environments and second opinions. */
import type { Queryable } from "../../../db/connection/connect.js";
import { readUsage } from "../../organization/usage/index.js";
import * as managed from "./managed-runs.queries.js";
import type { RunDeps } from "./run-deps.js";
import { isNoSpace } from "#shared/node/no-space.js";
import { AppError } from "../../../errors.js";
import { removeFolder, type OwnFolder } from "./checks/check-folder.js";

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
 * Starts queued work while this process has room for it.
 * @param startNext takes the next one, of an organization with hours left; returns whether there was one
 * @param explainWait records why the work of an organization waits
 */
export async function startWhileRoom(
  { db, supervisor, settings }: RunDeps,
  kind: managed.ManagedRun["kind"],
  startNext: (outOfHours: readonly string[]) => Promise<boolean>,
  explainWait: (tx: Queryable, orgId: string, message: string) => Promise<unknown>,
): Promise<void> {
  const outOfHours: string[] = [];
  while (supervisor.accepts && supervisor.countLive(kind) < settings.checksAtOnce) {
    if (await db.maintenance()) return;
    try {
      if (!(await startNext(outOfHours))) return;
    } catch (error) {
      if (!(error instanceof OutOfHoursError)) throw error;
      const { orgId, message } = error;
      outOfHours.push(orgId);
      await db.tenant(orgId, (tx) => explainWait(tx, orgId, message));
    }
  }
}

/**
 * Launches a reserved run in a folder of its own. Returns false if it cannot start: it has failed then.
 * @param ended called in the transaction that ends such a run
 */
export async function launchReserved(
  deps: RunDeps,
  work: OwnFolder,
  launch: () => Promise<void>,
  ended?: (tx: Queryable, status: "failed" | "lost", detail: string) => Promise<unknown>,
): Promise<boolean> {
  const { org_id, run_id } = work;
  const release = holdLease(deps, run_id);
  try {
    await launch();
    return true;
  } catch (error) {
    const isRefused = error instanceof AppError && error.status < 500;
    if (!isRefused) deps.log.error({ err: error, run: run_id }, "cannot start a run of the server");
    const detail = isRefused
      ? error.message
      : "It could not be started; the operator can find the cause in the server's log.";
    await removeFolder(deps, work).catch((failure: unknown) => {
      deps.log.error({ err: failure, run: run_id }, "cannot remove the folder of a run");
    });
    // A full disk says nothing about the command.
    const status = isNoSpace(error) ? "lost" : "failed";
    await deps.db.tenant(org_id, async (tx) => {
      await managed.endUnstarted(tx, run_id, status, detail);
      await ended?.(tx, status, detail);
    });
    return false;
  } finally {
    release();
  }
}

/**
 * Extends the lease of a reserved run until the supervisor does: making a large folder takes longer than
 * the lease. Returns a function that ends this.
 */
function holdLease({ db }: RunDeps, runId: string): () => void {
  const beat = setInterval(() => {
    const heartbeat = { id: runId, bytes: 0, truncated: false };
    db.withSystem("hold a run", (tx) => managed.recordHeartbeats(tx, [heartbeat])).catch(
      () => undefined,
    );
  }, 3000);
  return () => clearInterval(beat);
}
