import { setTimeout as pause } from "node:timers/promises";
import type { Logger } from "pino";
import { isDatabaseUnavailable } from "../../../../db/connection/failures.js";
import type { ManagedRun } from "../managed-runs.queries.js";

export type RunRecords = ReturnType<typeof createRunRecords>;

/** Creates the writes of runs, which outlast an outage of the database until the server closes. */
export function createRunRecords(log: Logger, closing: AbortSignal) {
  /** Retries what a run cannot do without while the database is unavailable, until the server closes. */
  const record = async <Result>(subject: string, work: () => Promise<Result>): Promise<Result> => {
    for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, 5000)) {
      try {
        return await work();
      } catch (error) {
        if (closing.aborted || !isDatabaseUnavailable(error)) throw error;
        log.warn({ err: error }, `the database is not available for ${subject}; retrying`);
        await pause(waitMs);
      }
    }
  };

  /** Like `record`, for a write without which the run must end, too. Returns undefined if it failed. */
  const attempt = async <Result>(
    run: ManagedRun,
    subject: string,
    work: () => Promise<Result>,
  ): Promise<Result | undefined> => {
    try {
      return await record(subject, work);
    } catch (error) {
      if (closing.aborted) throw error;
      log.error({ err: error, run: run.id }, `${subject} could not be written`);
      return undefined;
    }
  };
  return { record, attempt };
}
