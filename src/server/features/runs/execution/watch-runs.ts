import type { Logger } from "pino";
import { systemOrigin } from "../../../db/audit/audit.js";
import type { Database } from "../../../db/connection/connect.js";
import { hoursLow } from "../../../mail/email-templates.js";
import type { Mailer } from "../../../mail/mailer.js";
import type { Jobs } from "../../../jobs/queue.js";
import { readUsage } from "../../usage/index.js";
import { checkpointAfterRun, type RunCommits, type WorkspaceDeps } from "../../workspaces/index.js";
import * as managed from "../managed-runs.queries.js";
import * as queries from "../runs.queries.js";

export interface WatchDeps {
  db: Database;
  jobs: Jobs;
  workspaces: WorkspaceDeps;
  mailer: Mailer;
  publicUrl: () => string;
  /** Returns the repository of a lost run; null without one. */
  commitsOfLost(run: { id: string; org_id: string }): Promise<RunCommits | null>;
  log: Logger;
}

const watchMs = 5000;
/** Workspaces of lost runs that are committed at the same time. */
const SAVED_AT_ONCE = 4;
/** The fraction of the monthly hours from which an organization is warned. */
const warnFrom = 0.8;

/**
 * Periodically ends runs with expired leases and runs of organizations without hours left, sends
 * warnings, and restarts queues in case a notification was lost.
 * @param continueChecks does the same for the checks of the merge queue
 */
export function startRunWatch(
  deps: WatchDeps,
  continueChecks: () => Promise<void>,
): { stop(): Promise<void> } {
  const { db, jobs, log } = deps;
  let checking: Promise<void> | null = null;
  const checkRuns = async (): Promise<void> => {
    await endLost(deps, null);
    const running = await db.withSystem("find running organizations", (tx) =>
      queries.listRunningOrganizations(tx),
    );
    for (const orgId of running) await watchHours(deps, orgId);
    const waiting = await db.withSystem("find queues", (tx) => managed.listQueuedOrganizations(tx));
    for (const orgId of waiting) await jobs.send("start-queued-runs", { org_id: orgId });
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

/**
 * Ends lost runs, commits the workspaces of managed ones and frees their slots.
 * @param orphansOf id of this process if it is the only one
 */
export async function endLost(deps: WatchDeps, orphansOf: string | null): Promise<void> {
  const { db, workspaces, log } = deps;
  const lost = await db.withSystem("end lost runs", (tx) => queries.endLostRuns(tx, orphansOf));
  const managedRuns = lost
    .flatMap(({ kind, agent_id, ...run }) =>
      kind === "managed" && agent_id !== null ? [{ ...run, agent_id }] : [],
    )
    .values();
  // An iterator shared by a few workers.
  const save = async (): Promise<void> => {
    for (const { id, org_id, agent_id } of managedRuns) {
      try {
        const commits = await deps.commitsOfLost({ id, org_id });
        const checkpoint = await checkpointAfterRun(workspaces, org_id, agent_id, log, commits);
        if (checkpoint) {
          await db.tenant(org_id, (tx) => managed.recordCheckpoint(tx, id, checkpoint));
        }
      } catch (error) {
        log.error({ err: error, run: id }, "cannot save the workspace of a lost run");
      }
    }
  };
  await Promise.all(Array.from({ length: SAVED_AT_ONCE }, save));
}

/** Ends the runs of an organization whose hours are used up, and warns once before. */
async function watchHours(deps: WatchDeps, orgId: string): Promise<void> {
  const { db } = deps;
  const usage = await db.tenant(orgId, (tx) => readUsage(tx, orgId));
  if (!usage) return;
  const { current, limit } = usage.runtime_hours;
  if (current < limit * warnFrom) return;
  const told = await db.change(orgId, systemOrigin, async (tx, audit) => {
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
      await queries.endLeasedRuns(tx, {}, "quota_exceeded", detail);
      await managed.requestStop(tx, {}, "quota_exceeded", detail);
    }
    return warned && { ...warned, owners: await queries.listOwnerEmails(tx, orgId) };
  });
  if (!told) return;
  const link = `${deps.publicUrl()}/organizations/${told.slug}/settings`;
  const letter = hoursLow({ organization: told.name, used: current, limit, link });
  for (const to of told.owners) await deps.mailer.send({ to, ...letter });
}
