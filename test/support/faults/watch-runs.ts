import { setTimeout as pause } from "node:timers/promises";
import type { PostgresMachine } from "../machines/postgres-machine.js";

/** Time for the true end of a run after its lease. */
const END_MS = 20_000;
const INTERVAL_MS = 500;

export interface RunWatch {
  /** Runs that went on for too long after their leases. */
  readonly overdue: ReadonlyMap<string, string>;
  /** The longest time between the end of a lease and that of its run in milliseconds. */
  longestMs(): number;
  stop(): Promise<void>;
}

/**
 * Compares the leases of runs with the clock of PostgreSQL all the time. While PostgreSQL is away no run can end:
 * its return counts as the end of all earlier leases.
 */
export function watchLeases(postgres: PostgresMachine): RunWatch {
  const overdue = new Map<string, string>();
  const stopping = new AbortController();
  let longestMs = 0;
  /** The time of PostgreSQL when it answered again after an outage. */
  let backAt = 0;
  let wasAway = true;
  const check = async (): Promise<void> => {
    const [{ clock } = { clock: "0" }, ...rows] = await postgres.query<{
      id: string | null;
      clock: string;
      lease: string;
      detail: string;
    }>(
      `select null as id, extract(epoch from clock_timestamp()) * 1000 as clock, 0 as lease, '' as detail
       union all
       select r.id::text, 0, extract(epoch from r.lease_expires_at) * 1000,
         concat_ws(' ', r.status, n.name, n.lease_until, r.lease_expires_at, r.exited_at, r.runner_id)
       from runs r join agents a on a.id = r.agent_id join projects p on p.id = a.project_id
       left join nodes n on n.id = p.home_node
       where r.status = 'running' and r.lease_expires_at < clock_timestamp()`,
    );
    if (wasAway) backAt = Number(clock);
    wasAway = false;
    for (const { id, lease, detail } of rows) {
      const sinceMs = Number(clock) - Math.max(Number(lease), backAt);
      longestMs = Math.max(longestMs, sinceMs);
      if (sinceMs > END_MS) overdue.set(String(id), detail);
    }
  };
  const watching = (async () => {
    while (!stopping.signal.aborted) {
      await check().catch(() => {
        wasAway = true;
      });
      await pause(INTERVAL_MS);
    }
  })();
  return {
    overdue,
    longestMs: () => longestMs,
    stop: async () => {
      stopping.abort();
      await watching;
    },
  };
}
