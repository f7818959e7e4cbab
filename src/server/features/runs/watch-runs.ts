import type { Logger } from "pino";
import { systemOrigin } from "../../db/audit/audit.js";
import type { Database } from "../../db/connection/connect.js";
import { hoursLow } from "../../mail/email-templates.js";
import type { Mailer } from "../../mail/mailer.js";
import type { Jobs } from "../../jobs/queue.js";
import { readUsage } from "../usage/index.js";
import { checkpointAfterRun, type WorkspaceDeps } from "../workspaces/index.js";
import * as managed from "./managed-runs.queries.js";
import * as queries from "./runs.queries.js";

export interface WatchDeps {
  db: Database;
  jobs: Jobs;
  workspaces: WorkspaceDeps;
  mailer: Mailer;
  publicUrl: () => string;
  log: Logger;
}

const watchMs = 5000;
/** From which part of its hours on an organization is warned. */
const warnFrom = 0.8;

/**
 * Ends runs whose lease is over, and those of organizations whose hours are used up; warns ahead of it;
 * and has queues looked at, should nobody have told that there is a place.
 */
export function startRunWatch(deps: WatchDeps): { stop(): Promise<void> } {
  const { db, jobs, log } = deps;
  let looking: Promise<void> | null = null;
  const look = async (): Promise<void> => {
    await endLost(deps, null);
    const running = await db.withSystem("find running organizations", (tx) =>
      queries.listRunningOrganizations(tx),
    );
    for (const orgId of running) await watchHours(deps, orgId);
    const waiting = await db.withSystem("find queues", (tx) => managed.listQueuedOrganizations(tx));
    for (const orgId of waiting) await jobs.send("start-queued-runs", { org_id: orgId });
  };
  const timer = setInterval(() => {
    looking ??= look()
      .catch((error: unknown) => log.warn({ err: error }, "runs were not looked at"))
      .finally(() => {
        looking = null;
      });
  }, watchMs);
  timer.unref();
  return {
    stop: async () => {
      clearInterval(timer);
      await looking;
    },
  };
}

/**
 * Ends what is lost, saves the workspaces of managed runs and lets others have their places.
 * @param orphansOf the server process that alone is alive, where it is the only one
 */
export async function endLost(deps: WatchDeps, orphansOf: string | null): Promise<void> {
  const { db, workspaces, log } = deps;
  const lost = await db.withSystem("end lost runs", (tx) => queries.endLostRuns(tx, orphansOf));
  for (const { id, org_id, agent_id, kind } of lost) {
    if (kind === "managed") {
      const checkpoint = await checkpointAfterRun(workspaces, org_id, agent_id, log);
      if (checkpoint) {
        await db.tenant(org_id, (tx) => managed.recordCheckpoint(tx, id, checkpoint));
      }
    }
  }
}

/** Has the runs of an organization end that has used up its hours; warns it once that it soon will have. */
async function watchHours(deps: WatchDeps, orgId: string): Promise<void> {
  const { db } = deps;
  const usage = await db.tenant(orgId, (tx) => readUsage(tx, orgId));
  if (!usage) return;
  const { current, limit } = usage.runtime_hours;
  if (current < limit * warnFrom) return;
  const told = await db.change(orgId, systemOrigin, async (tx, audit) => {
    const warned = await queries.takeHoursWarning(tx, orgId, limit, usage.period_start);
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
      await managed.askToStop(tx, {}, "quota_exceeded", detail);
    }
    return warned && { ...warned, owners: await queries.addressesOfOwners(tx, orgId) };
  });
  if (!told) return;
  const link = `${deps.publicUrl()}/organizations/${told.slug}/settings`;
  const letter = hoursLow({ organization: told.name, used: current, limit, link });
  for (const to of told.owners) await deps.mailer.send({ to, ...letter });
}
