import { setTimeout as pause } from "node:timers/promises";
import type { Logger } from "pino";
import type { Database } from "../../../db/connection/connect.js";
import { isDatabaseUnavailable } from "../../../db/connection/failures.js";
import { recordCalls, type CallUsage } from "./models.queries.js";

export interface UsageRecorder {
  /** Resolves when the call is recorded, or after `MAX_WAIT_MS`: it is then recorded later. */
  add(orgId: string, call: CallUsage): Promise<void>;
  /** Waits until all calls are recorded, at most for a while. */
  close(): Promise<void>;
}

/** Maximum delay of the end of an answer by its record. */
const MAX_WAIT_MS = 2000;
const CLOSE_MS = 5000;
/** Calls that wait for the database, per organization; the oldest are then logged only. */
const MAX_WAITING = 10_000;

interface Waiting {
  calls: CallUsage[];
  done: Promise<void>;
}

/**
 * Records calls. Those of an organization that end together are written together, because their
 * spending is one row. While the database is unavailable they wait in memory.
 */
export function createUsageRecorder(db: Database, log: Logger): UsageRecorder {
  const waiting = new Map<string, Waiting>();
  const writing = new Map<string, Promise<void>>();
  let closed = false;

  const write = async (orgId: string, calls: readonly CallUsage[]): Promise<void> => {
    for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, 5000)) {
      try {
        await db.write(orgId, (tx) => recordCalls(tx, orgId, calls));
        return;
      } catch (error) {
        const isLast = closed || !isDatabaseUnavailable(error);
        if (isLast && calls.length > 1) {
          // One that cannot be written must not keep the others.
          for (const call of calls) await write(orgId, [call]);
          return;
        }
        log.warn({ err: error, calls: isLast ? calls : calls.length }, "cannot record model calls");
        if (isLast) return;
        await pause(waitMs, undefined, { ref: false });
      }
    }
  };
  /** Writes what waits, after what is being written. */
  const next = async (orgId: string): Promise<void> => {
    await writing.get(orgId);
    const batch = waiting.get(orgId);
    waiting.delete(orgId);
    const done = write(orgId, batch?.calls ?? []);
    writing.set(orgId, done);
    await done;
    if (writing.get(orgId) === done) writing.delete(orgId);
  };
  const enqueue = (orgId: string, call: CallUsage): Promise<void> => {
    const batch = waiting.get(orgId);
    if (!batch) {
      const first: Waiting = { calls: [call], done: Promise.resolve() };
      waiting.set(orgId, first);
      first.done = next(orgId);
      return first.done;
    }
    batch.calls.push(call);
    if (batch.calls.length > MAX_WAITING) {
      log.error({ call: batch.calls.shift() }, "a model call is not recorded");
    }
    return batch.done;
  };

  return {
    add: async (orgId, call) => {
      await Promise.race([enqueue(orgId, call), pause(MAX_WAIT_MS, undefined, { ref: false })]);
    },
    close: async () => {
      const all = [...writing.values(), ...[...waiting.values()].map(({ done }) => done)];
      await Promise.race([Promise.all(all), pause(CLOSE_MS, undefined, { ref: false })]);
      closed = true;
    },
  };
}
