import type { Logger } from "pino";
import type { Run } from "#shared/api/runs.js";
import { brokenConstraint, type Database, type Queryable } from "../../db/connect.js";
import { lockOrganization } from "../../db/tenant.js";
import { AppError, notFound } from "../../errors.js";
import type { OrgContext } from "../../http/mount.js";
import { readUsage } from "../usage/service.js";
import * as repository from "./repository.js";

/**
 * Starts a leased run. The limits are checked under a lock on the organization's row, in the
 * transaction that inserts: exact under any number of simultaneous starts and server processes.
 * @throws AppError 409 `quota_exceeded`, `run_in_progress`
 */
export async function startRun(context: OrgContext, agentId: string): Promise<Run> {
  try {
    return await context.tx(async (tx) => {
      await lockOrganization(tx, context.orgId);
      const terminated = await repository.agentIsTerminated(tx, agentId);
      if (terminated === undefined || terminated) throw notFound();
      const usage = await readUsage(tx, context.orgId);
      if (!usage) throw notFound();
      const { concurrent_agents, runtime_hours } = usage;
      if (concurrent_agents.current >= concurrent_agents.limit) {
        throw quotaExceeded("max_concurrent_agents", concurrent_agents);
      }
      if (runtime_hours.current >= runtime_hours.limit) {
        throw quotaExceeded("max_agent_runtime_hours", runtime_hours);
      }
      const id = await repository.insertLeasedRun(tx, context.orgId, agentId);
      return (await repository.findRun(tx, id)) as Run;
    });
  } catch (error) {
    if (brokenConstraint(error) !== "runs_one_per_agent") throw error;
    throw new AppError("run_in_progress", "The agent has a run under way; stop it first.");
  }
}

function quotaExceeded(quota: string, figure: { current: number; limit: number }): AppError {
  const what = quota === "max_concurrent_agents" ? "agents at once" : "hours this month";
  return new AppError(
    "quota_exceeded",
    `The organization's limit of ${figure.limit} ${what} is reached; wait, or have the limit raised.`,
    { quota, ...figure },
  );
}

/** @throws AppError 409 `run_ended` */
export async function heartbeat(context: OrgContext, runId: string): Promise<Run> {
  return context.tx(async (tx) => {
    const extended = await repository.extendLease(tx, runId);
    const run = await repository.findRun(tx, runId);
    if (!run) throw notFound();
    if (!extended) {
      // The watch will end a run whose lease is over within seconds; to its agent it has ended now.
      const status = run.status === "running" ? "lost" : run.status;
      throw new AppError("run_ended", `The run has ended (${status}); start a new one.`, {
        run_status: status,
      });
    }
    return run;
  });
}

/** Ends a run; one that has ended is answered as it is. */
export async function stopRun(
  context: OrgContext,
  runId: string,
  status: "succeeded" | "failed" | "stopped",
): Promise<Run> {
  return context.tx(async (tx) => {
    await repository.endRun(tx, runId, status);
    const run = await repository.findRun(tx, runId);
    if (!run) throw notFound();
    return run;
  });
}

/** Stops what an agent runs, in the transaction that ends the agent. */
export async function stopRunsOfAgent(tx: Queryable, agentId: string): Promise<void> {
  for (const { id, ended_at } of await repository.listRuns(tx, agentId, "", 1)) {
    if (ended_at === null) await repository.endRun(tx, id, "stopped");
  }
}

const watchMs = 5000;

/** Ends runs whose lease is over, and those of organizations whose hours are used up. */
export function startLeaseWatch(db: Database, log: Logger): { stop(): void } {
  let looking = false;
  const look = async (): Promise<void> => {
    await db.withSystem("end lost runs", repository.endLostRuns);
    const orgIds = await db.withSystem("find running organizations", (tx) =>
      repository.listOrganizationsWithLeases(tx),
    );
    for (const orgId of orgIds) {
      await db.tenant(orgId, async (tx) => {
        const usage = await readUsage(tx, orgId);
        if (!usage || usage.runtime_hours.current < usage.runtime_hours.limit) return;
        for (const id of await repository.listRunning(tx)) {
          await repository.endRun(tx, id, "quota_exceeded");
        }
      });
    }
  };
  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    look()
      .catch((error: unknown) => log.warn({ err: error }, "leases were not looked at"))
      .finally(() => {
        looking = false;
      });
  }, watchMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
