import { setImmediate as immediate } from "node:timers/promises";
import PgBoss from "pg-boss";
import type pg from "pg";
import type { Logger } from "pino";
import { adapter, schema, type JobData, type JobName } from "../db/queue-schema.js";

export type { JobData } from "../db/queue-schema.js";

export interface Jobs {
  /**
   * Hands work to whichever server process is free. Of work with a `key` one piece waits at a time, where
   * the queue's policy is `short`: another one is not taken.
   */
  send<Name extends JobName>(name: Name, data: JobData[Name], key?: string): Promise<void>;
  /**
   * Takes up work of one kind in this process, `atOnce` at a time (1 by default). Throwing has it tried
   * again, up to the queue's limit.
   */
  work<Name extends JobName>(
    name: Name,
    handler: (data: JobData[Name], signal: AbortSignal) => Promise<void>,
    atOnce?: number,
  ): Promise<void>;
  /** Stops taking work and waits for what is under way, at most `timeoutMs`; then it is cancelled. */
  stop(timeoutMs: number): Promise<void>;
}

/** Connects this process to the queue. */
export async function startJobs(pool: pg.Pool, log: Logger): Promise<Jobs> {
  const stopping = new AbortController();
  const underWay = new Set<Promise<unknown>>();
  const track = <Result>(work: Promise<Result>): Promise<Result> => {
    const settled: Promise<unknown> = work.then(noop, noop).then(() => underWay.delete(settled));
    underWay.add(settled);
    return work;
  };
  const boss = new PgBoss({
    db: adapter(pool, track),
    schema,
    migrate: false,
    schedule: false,
    maintenanceIntervalSeconds: 300,
    // What is done is deleted at once; what failed for good is of no use to anybody either.
    archiveCompletedAfterSeconds: 60 * 60,
    deleteAfterMinutes: 5,
  });
  boss.on("error", (error) => log.warn({ err: error }, "the job queue cannot reach the database"));
  await boss.start();
  const workers = new Map<JobName, string[]>();
  /** Has this process look for work at once and not when its pause is over. */
  const hurry = (name: JobName): void => {
    for (const worker of workers.get(name) ?? []) boss.notifyWorker(worker);
  };

  return {
    send: async (name, data, key) => {
      await boss.send(name, data, key === undefined ? {} : { singletonKey: key });
      hurry(name);
    },
    work: async (name, handler, atOnce = 1) => {
      const started = Array.from({ length: atOnce }, () =>
        boss.work<JobData[typeof name]>(
          name,
          { pollingIntervalSeconds: 0.5, batchSize: 1 },
          async ([job]) => {
            if (!job) return;
            await track(handler(job.data, stopping.signal));
            await boss.deleteJob(name, job.id);
            hurry(name);
          },
        ),
      );
      workers.set(name, await Promise.all(started));
    },
    stop: async (timeoutMs) => {
      const timeout = new Promise((resolve) => setTimeout(resolve, timeoutMs).unref());
      const stopped = boss.stop({ graceful: true, wait: false, close: false });
      await Promise.race([drained(underWay), timeout]);
      stopping.abort();
      await drained(underWay);
      await stopped;
    },
  };
}

const noop = (): void => {};

/** When nothing is under way any more: what ends a job is written after it, in another turn. */
async function drained(underWay: ReadonlySet<Promise<unknown>>): Promise<void> {
  do {
    await Promise.all(underWay);
    await immediate();
  } while (underWay.size > 0);
}
