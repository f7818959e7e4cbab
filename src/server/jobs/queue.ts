import { createRequire } from "node:module";
import { setImmediate as immediate } from "node:timers/promises";
import PgBoss from "pg-boss";
import type pg from "pg";
import type { Logger } from "pino";
import { adapter, schema, type JobData, type JobName } from "../db/queue-schema.js";

/**
 * pg-boss 10 ends jobs by statements that it does not await: if the database cannot be reached, their
 * rejections would end the process. The job is then retried when it expires.
 */
const require = createRequire(import.meta.url);
type EndJob = (...args: unknown[]) => Promise<unknown>;
const { prototype } = require("pg-boss/src/manager.js") as {
  prototype: Record<"complete" | "fail", EndJob>;
};
for (const name of ["complete", "fail"] as const) {
  const end = prototype[name];
  prototype[name] = function endJob(...args) {
    const ended = end.apply(this, args);
    ended.catch(noop);
    return ended;
  };
}

export type { JobData, JobName } from "../db/queue-schema.js";

export interface Jobs {
  /**
   * Enqueues a job for any server process. For queues with the policy `short`, at most one job per
   * `key` is pending; further ones are dropped. A job whose UUID a job of the queue has is dropped as well.
   */
  send<Name extends JobName>(
    name: Name,
    data: JobData[Name],
    key?: string | { id: string | undefined },
  ): Promise<void>;
  /**
   * Runs jobs of one kind in this process, `concurrency` at a time (default 1). A thrown error retries the
   * job, up to the queue's limit.
   */
  work<Name extends JobName>(
    name: Name,
    handler: (data: JobData[Name], signal: AbortSignal) => Promise<void>,
    concurrency?: number,
  ): Promise<void>;
  /** Stops taking jobs and waits up to `timeoutMs` for running ones, then cancels them. */
  stop(timeoutMs: number): Promise<void>;
}

/** Connects this process to the queue. */
export async function startJobs(pool: pg.Pool, log: Logger): Promise<Jobs> {
  const stopping = new AbortController();
  const running = new Set<Promise<unknown>>();
  const track = <Result>(work: Promise<Result>): Promise<Result> => {
    const settled: Promise<unknown> = work.then(noop, noop).then(() => running.delete(settled));
    running.add(settled);
    return work;
  };
  const boss = new PgBoss({
    db: adapter(pool, track),
    schema,
    migrate: false,
    schedule: false,
    maintenanceIntervalSeconds: 300,
    // Completed jobs are deleted at once, and failed ones are not needed either.
    archiveCompletedAfterSeconds: 60 * 60,
    deleteAfterMinutes: 5,
  });
  boss.on("error", (error) => log.warn({ err: error }, "the job queue cannot reach the database"));
  await boss.start();
  const workers = new Map<JobName, string[]>();
  /** Polls a queue now instead of after its pause. */
  const wakeWorkers = (name: JobName): void => {
    for (const worker of workers.get(name) ?? []) boss.notifyWorker(worker);
  };

  return {
    send: async (name, data, key) => {
      const id = typeof key === "object" ? key.id : undefined;
      await boss.send(name, data, {
        ...(typeof key === "string" && { singletonKey: key }),
        ...(id !== undefined && { id }),
      });
      wakeWorkers(name);
    },
    work: async (name, handler, concurrency = 1) => {
      const started = Array.from({ length: concurrency }, () =>
        boss.work<JobData[typeof name]>(
          name,
          { pollingIntervalSeconds: 0.5, batchSize: 1 },
          async ([job]) => {
            if (!job) return;
            await track(handler(job.data, stopping.signal));
            await boss.deleteJob(name, job.id);
            wakeWorkers(name);
          },
        ),
      );
      workers.set(name, await Promise.all(started));
    },
    stop: async (timeoutMs) => {
      const timeout = new Promise((resolve) => setTimeout(resolve, timeoutMs).unref());
      const stopped = boss.stop({ graceful: true, wait: false, close: false });
      await Promise.race([drained(running), timeout]);
      stopping.abort();
      await drained(running);
      await stopped;
    },
  };
}

function noop(): void {}

/**
 * Waits until no job is running. The queue records a job's end after it, in another turn of the event
 * loop.
 */
async function drained(running: ReadonlySet<Promise<unknown>>): Promise<void> {
  do {
    await Promise.all(running);
    await immediate();
  } while (running.size > 0);
}
