import type { Logger } from "pino";
import type { Run } from "#shared/api/execution/runs.js";
import type { Database } from "../../../../db/connection/connect.js";
import * as managed from "../managed-runs.queries.js";
import { shortGraceMs, type Execution } from "#execution/execute-run.js";
import type { ManagedRun } from "../managed-runs.queries.js";

/** A run of this process, from its launch until its end is recorded. */
export interface LiveRun {
  run: ManagedRun;
  execution: Execution;
  done: Promise<void>;
}

const intervalMs = 3000;

/**
 * Extends the leases of the live runs every three seconds and after changes of their rows, and ends the
 * runs whose end was requested or whose lease is lost.
 */
export function renewLeases({
  db,
  log,
  live,
  stopGraceMs,
}: {
  db: Database;
  log: Logger;
  /** The runs of this process by id. */
  live: ReadonlyMap<string, LiveRun>;
  stopGraceMs: number;
}): { stop(): Promise<void> } {
  let lastRenewal = Date.now();
  let renewing: Promise<void> | null = null;
  let renewAgain = false;

  const graceOf = (status: Run["status"]): number =>
    status === "quota_exceeded" ? shortGraceMs : stopGraceMs;

  const renewOnce = async (): Promise<void> => {
    const heartbeats = [...live.values()].map(({ run, execution }) => ({
      id: run.id,
      ...execution.output,
    }));
    const startedAt = Date.now();
    if (heartbeats.length === 0) {
      lastRenewal = startedAt;
      return;
    }
    try {
      const rows = await db.withSystem("extend the leases of runs", (tx) =>
        managed.recordHeartbeats(tx, heartbeats),
      );
      lastRenewal = startedAt;
      const replies = new Map(rows.map((reply) => [reply.id, reply]));
      for (const { id } of heartbeats) {
        const liveRun = live.get(id);
        const reply = replies.get(id);
        if (!liveRun) continue;
        if (!reply) {
          const detail = "It was ended by another server process.";
          liveRun.execution.end({ status: "lost", detail }, 0);
        } else if (reply.stop_status) {
          const { stop_status: status, stop_detail: detail } = reply;
          const reason = { status, detail: detail ?? "It was stopped." };
          liveRun.execution.end(reason, graceOf(status));
        }
      }
    } catch (error) {
      log.warn({ err: error }, "cannot extend the leases of runs");
      // Other processes now consider the runs lost, and their agents may start again.
      if (Date.now() - lastRenewal < managed.serverLeaseSeconds * 1000) return;
      const detail = "The server lost its database connection.";
      for (const { execution } of live.values()) execution.end({ status: "lost", detail }, 0);
    }
  };
  const renew = (): void => {
    if (renewing) {
      renewAgain = true;
      return;
    }
    renewing = renewOnce()
      .catch((error: unknown) => log.error({ err: error }, "cannot check runs"))
      .finally(() => {
        renewing = null;
        if (!renewAgain) return;
        renewAgain = false;
        renew();
      });
  };

  const timer = setInterval(renew, intervalMs);
  timer.unref();
  const unsubscribe = db.changes.subscribe((change) => {
    if (change !== null && change.table !== "runs") return;
    const isOurs = [...live.values()].some(({ run }) => run.agent_id === change?.id);
    if (change === null || isOurs) renew();
  });
  return {
    stop: async () => {
      clearInterval(timer);
      unsubscribe();
      await renewing;
    },
  };
}
