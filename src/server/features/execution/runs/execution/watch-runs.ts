import type { Logger } from "pino";
import { systemOrigin } from "../../../../db/audit/audit.js";
import type { Database } from "../../../../db/connection/connect.js";
import type { Jobs } from "../../../../jobs/queue.js";
import { readUsage } from "../../../organization/usage/index.js";
import {
  checkpointAfterRun,
  type RunCommits,
  type WorkspaceDeps,
} from "../../../code/workspaces/index.js";
import { endLeasedRuns, requestStop } from "../../run-ends/index.js";
import * as managed from "../managed-runs.queries.js";
import * as runnerRuns from "../on-runners/runner-runs.queries.js";
import * as queries from "../runs.queries.js";
import { listStranded } from "../sessions/inputs.queries.js";

export interface WatchDeps {
  db: Database;
  jobs: Jobs;
  workspaces: WorkspaceDeps;
  saver: Saver;
  log: Logger;
}

const watchMs = 5000;
/** Workspaces of lost runs that are committed at the same time. */
const SAVED_AT_ONCE = 4;
/** A process that has not looked for so long was without a database, or was halted. */
const OUTAGE_MS = 15_000;
/** The fraction of the monthly hours from which an organization is warned. */
const warnFrom = 0.8;

/**
 * Periodically ends runs with expired leases and runs of organizations without hours left, and
 * restarts queues in case a notification was lost.
 * @param continueChecks does the same for the checks of the merge queue
 */
export function startRunWatch(
  deps: WatchDeps,
  continueChecks: () => Promise<void>,
): { stop(): Promise<void> } {
  const { db, jobs, log } = deps;
  let checking: Promise<void> | null = null;
  let lastCheck = Date.now();
  const checkRuns = async (): Promise<void> => {
    // Heartbeats of runners were not answered, either.
    if (Date.now() - lastCheck > OUTAGE_MS) await keepRunnersRuns(db);
    await endLost(deps, null);
    lastCheck = Date.now();
    const running = await db.withSystem("find running organizations", (tx) =>
      queries.listRunningOrganizations(tx),
    );
    for (const orgId of running) await watchHours(deps, orgId);
    const waiting = await db.withSystem("find queues", async (tx) => [
      ...(await managed.listQueuedOrganizations(tx, db.node.id)),
      ...(await listStranded(tx, db.node.id)).map(({ org_id }) => org_id),
    ]);
    // No process takes the jobs meanwhile.
    const isPaused = (await db.maintenance()) !== null;
    for (const orgId of isPaused ? [] : new Set(waiting)) {
      await jobs.send("start-queued-runs", { org_id: orgId });
    }
    await continueChecks();
  };
  const timer = setInterval(() => {
    checking ??= checkRuns()
      .catch((error: unknown) => log.warn({ err: error }, "cannot check runs"))
      .finally(() => {
        checking = null;
      });
  }, watchMs);
  timer.unref();
  return {
    stop: async () => {
      clearInterval(timer);
      await checking;
    },
  };
}

/** Gives the runners of this node's runs time to be heard of again, after a start or an outage. */
export function keepRunnersRuns(db: Database): Promise<void> {
  return db.withSystem("extend the leases of runners", (tx) =>
    runnerRuns.extendAllLeases(tx, db.node.id),
  );
}

/**
 * Ends lost runs, which frees their places, and has their workspaces saved.
 * @param orphansOf id of this process if it is the only one
 */
export async function endLost(
  { db, saver }: Pick<WatchDeps, "db" | "saver">,
  orphansOf: string | null,
): Promise<void> {
  await db.withSystem("end lost runs", (tx) => queries.endLostRuns(tx, db.node.id, orphansOf));
  saver.start();
}

/**
 * Takes the commits of a lost run and commits its workspace.
 * @param isLocked whether the caller holds the workspace's lock
 */
export async function saveRun(
  { db, workspaces, log }: Pick<WatchDeps, "db" | "workspaces" | "log">,
  { id, org_id, agent_id }: managed.LostRun,
  commits: RunCommits | null,
  isLocked: boolean,
): Promise<void> {
  const checkpoint = await checkpointAfterRun(workspaces, org_id, agent_id, log, commits, isLocked);
  await db.tenant(org_id, async (tx) => {
    if (checkpoint) await managed.recordCheckpoint(tx, id, checkpoint);
    await managed.recordSaved(tx, id);
  });
}

/** Saves lost runs in the background. */
export interface Saver {
  /** Saves those of this node that are not saved yet, also of other processes; no effect while it does. */
  start(): void;
  /** Waits for the workspaces in progress. The others are saved by the next process. */
  stop(): Promise<void>;
}

/** @param commitsOf returns the repository of a lost run; null without one */
export function createSaver(
  deps: Pick<WatchDeps, "db" | "workspaces" | "log">,
  commitsOf: (run: managed.LostRun) => Promise<RunCommits | null>,
): Saver {
  const { db, log } = deps;
  let saving: Promise<void> | null = null;
  let isStopped = false;
  const saveAll = async (): Promise<void> => {
    const lost = await db.withSystem("find unsaved runs", (tx) =>
      managed.listUnsaved(tx, db.node.id),
    );
    // An iterator shared by a few workers.
    const left = lost.values();
    const work = async (): Promise<void> => {
      for (const run of left) {
        if (isStopped) return;
        try {
          await db.tryLock(`saved run ${run.id}`, async () => {
            await saveRun(deps, run, await commitsOf(run), false);
          });
        } catch (error) {
          log.error({ err: error, run: run.id }, "cannot save the workspace of a lost run");
        }
      }
    };
    await Promise.all(Array.from({ length: SAVED_AT_ONCE }, work));
  };
  return {
    start: () => {
      saving ??= saveAll()
        .catch((error: unknown) => log.warn({ err: error }, "cannot find unsaved runs"))
        .finally(() => {
          saving = null;
        });
    },
    stop: async () => {
      isStopped = true;
      await saving;
    },
  };
}

/** Ends the runs of an organization whose hours are used up, and records once before that they run out. */
async function watchHours(deps: WatchDeps, orgId: string): Promise<void> {
  const { db } = deps;
  const usage = await db.tenant(orgId, (tx) => readUsage(tx, orgId));
  if (!usage) return;
  const { current, limit } = usage.runtime_hours;
  if (current < limit * warnFrom) return;
  await db.change(orgId, systemOrigin, async (tx, audit) => {
    const warned = await queries.claimHoursWarning(tx, orgId, limit, usage.period_start);
    if (warned) {
      audit({
        action: "organization.hours_low",
        target: { type: "organization", id: orgId, name: warned.name },
        changes: { runtime_hours: { from: null, to: current }, limit: { from: null, to: limit } },
      });
    }
    if (current >= limit) {
      const detail = `The organization's ${limit} hours of this month are used up.`;
      await endLeasedRuns(tx, {}, "quota_exceeded", detail);
      await requestStop(tx, {}, "quota_exceeded", detail);
    }
  });
}
