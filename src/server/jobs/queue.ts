import { createRequire } from "node:module";
import { setImmediate as immediate, setTimeout as pause } from "node:timers/promises";
import PgBoss from "pg-boss";
import type pg from "pg";
import type { Logger } from "pino";
import { IN_TRANSIT } from "../cluster/home-of.js";
import type { ProjectWork } from "../cluster/project-work.js";
import { OrganizationTurns } from "./organization-turns.js";
import {
  adapter,
  isHomeJob,
  jobKeys,
  queueOf,
  schema,
  type HomeJobName,
  type JobData,
  type JobName,
} from "../db/queue-schema.js";

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

/** Lets organizations take turns at the workers of a queue, which pg-boss serves in the order of arrival. */
type FetchJobs = (
  this: { db: PgBoss.Db & Partial<FairDb> },
  queue: string,
  ...args: unknown[]
) => Promise<unknown[]>;
interface FairDb {
  turnsAt(queue: string): Pick<OrganizationTurns, "fetch"> | undefined;
}
const fetching = prototype as unknown as { fetch: FetchJobs };
const fetchInOrder = fetching.fetch;
fetching.fetch = function fetch(queue, ...args) {
  const { db } = this;
  const turns = db.turnsAt?.(queue);
  if (turns === undefined) return fetchInOrder.call(this, queue, ...args);
  return turns.fetch((text, values) => db.executeSql(text, values)).catch(() => []);
};

export type { JobData, JobName } from "../db/queue-schema.js";

export interface Jobs {
  /**
   * Enqueues a job for any server process, or for those of the project's home. Without a project it is for
   * this node. For queues with the policy `short`, a job with the key of a pending one is dropped.
   * @param id UUID of the job; dropped if the queue has a job with it
   */
  send<Name extends JobName>(name: Name, data: JobData[Name], id?: string): Promise<void>;
  /** Enqueues a job for a node. It waits while the node is away. */
  sendTo<Name extends HomeJobName>(nodeId: string, name: Name, data: JobData[Name]): Promise<void>;
  /**
   * Runs jobs of one kind in this process, `concurrency` at a time (default 1). Organizations take turns, and no one
   * has all of several workers. Jobs of projects wait during maintenance. A thrown error retries the job, up to the queue's limit. The signal is aborted when the server stops or its node may not write.
   */
  work<Name extends JobName>(
    name: Name,
    handler: (data: JobData[Name], signal: AbortSignal) => Promise<void>,
    concurrency?: number,
  ): Promise<void>;
  /** Stops taking jobs and waits up to `timeoutMs` for running ones, then cancels them. */
  stop(timeoutMs: number): Promise<void>;
}

/** This process's node, for jobs that work on its disk. */
export interface JobsNode {
  readonly id: string;
  /** Returns the home of a project, which may be `IN_TRANSIT`; null for an unknown one. */
  homeOf(projectId: string): Promise<string | null>;
  /** Whether jobs that work on the disk wait, because the installation is in maintenance. */
  isPaused(): Promise<boolean>;
  /** The work on projects that move to another node when it has ended. */
  readonly work: Pick<ProjectWork, "begin">;
  readonly lease: {
    /** Waits until the node may write. */
    untilHeld(signal: AbortSignal): Promise<void>;
    /** Calls the listener when the node may no longer write. Returns a function that removes it. */
    onLapse(listener: () => void): () => void;
  };
}

/** Time after which a job of a project without a home looks for it again. */
const TRANSIT_SECONDS = 1;
/** Time between two looks for due jobs. */
const POLL_MS = 500;
/** The longest pause of a worker that is not woken, as by a poll that does not end. */
const WORKER_SECONDS = 60;

/**
 * The queues of $1 that have a job to start. Each worker's own statement, twice a second, would be most of what an
 * idle installation asks its database. The lock makes it fail on a server that was demoted to read-only, so that
 * its connection is given up.
 */
const dueQueues = `select queue from unnest($1::text[]) queue cross join lateral (
    select from ${schema}.job where name = queue and state < 'active' and start_after < now() limit 1
    for update skip locked) due`;

/** Connects this process to the queue. */
export async function startJobs(pool: pg.Pool, log: Logger, node: JobsNode): Promise<Jobs> {
  const stopping = new AbortController();
  const running = new Set<Promise<unknown>>();
  const track = <Result>(work: Promise<Result>): Promise<Result> => {
    const settled: Promise<unknown> = work.then(noop, noop).then(() => running.delete(settled));
    running.add(settled);
    return work;
  };
  const turns = new Map<string, Pick<OrganizationTurns, "fetch">>();
  const db: PgBoss.Db & FairDb = {
    ...adapter(pool, track),
    turnsAt: (queue) => turns.get(queue),
  };
  const boss = new PgBoss({
    db,
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
  /** The workers of each queue that this process works on. */
  const workers = new Map<string, string[]>();
  /** Lets the workers of a queue ask for a job now. */
  const wakeWorkers = (queue: string): void => {
    for (const worker of workers.get(queue) ?? []) boss.notifyWorker(worker);
  };
  const polling = new AbortController();
  const poll = async (): Promise<void> => {
    let isFailing = false;
    while (!polling.signal.aborted) {
      try {
        const { rows } = await pool.query<{ queue: string }>(dueQueues, [[...workers.keys()]]);
        for (const { queue } of rows) wakeWorkers(queue);
        isFailing = false;
      } catch (error) {
        if (!isFailing) log.warn({ err: error }, "the job queue cannot ask the database for jobs");
        isFailing = true;
      }
      await pause(POLL_MS, undefined, { signal: polling.signal, ref: false }).catch(noop);
    }
  };
  void poll();

  const sendTo = async <Name extends JobName>(
    nodeId: string,
    name: Name,
    data: JobData[Name],
    { id, startAfter }: { id?: string | undefined; startAfter?: number } = {},
  ): Promise<void> => {
    if (nodeId === IN_TRANSIT) {
      // This node keeps the job until the project has a home.
      return sendTo(node.id, name, data, { id, startAfter: TRANSIT_SECONDS });
    }
    const key = jobKeys[name]?.(data);
    const queue = queueOf(name, nodeId);
    await boss.send(queue, data, {
      ...(key !== undefined && { singletonKey: key }),
      ...(id !== undefined && { id }),
      ...(startAfter !== undefined && { startAfter }),
    });
    wakeWorkers(queue);
  };
  const homeOf = async (name: JobName, data: object): Promise<string> => {
    if (!isHomeJob(name) || !("project_id" in data)) return node.id;
    return (await node.homeOf(String(data.project_id))) ?? node.id;
  };
  /** Runs a job at its home, to which it is sent if the project was moved meanwhile. */
  const take = async <Name extends JobName>(
    name: Name,
    data: JobData[Name],
    handler: (data: JobData[Name], signal: AbortSignal) => Promise<void>,
  ): Promise<void> => {
    if (!isHomeJob(name)) return handler(data, stopping.signal);
    await node.lease.untilHeld(stopping.signal);
    const projectId = "project_id" in data ? data.project_id : null;
    // Counted before its home is read.
    const end = projectId === null ? noop : node.work.begin(projectId);
    const lapsed = new AbortController();
    const forget = node.lease.onLapse(() => lapsed.abort());
    try {
      const home = await homeOf(name, data);
      if (home !== node.id) return await sendTo(home, name, data);
      await handler(data, AbortSignal.any([stopping.signal, lapsed.signal]));
    } finally {
      forget();
      end();
    }
  };

  return {
    send: async (name, data, id) => sendTo(await homeOf(name, data), name, data, { id }),
    sendTo: (nodeId, name, data) => sendTo(nodeId, name, data),
    work: async (name, handler, concurrency = 1) => {
      const queue = queueOf(name, node.id);
      const ofOrganizations = new OrganizationTurns(queue, concurrency);
      turns.set(queue, {
        fetch: async (execute) =>
          isHomeJob(name) && (await node.isPaused()) ? [] : ofOrganizations.fetch(execute),
      });
      const started = Array.from({ length: concurrency }, () =>
        boss.work<JobData[typeof name]>(
          queue,
          { pollingIntervalSeconds: WORKER_SECONDS, batchSize: 1 },
          async ([job]) => {
            if (!job) return;
            try {
              await track(take(name, job.data, handler));
            } finally {
              ofOrganizations.end(job.data);
            }
            await boss.deleteJob(queue, job.id);
            wakeWorkers(queue);
          },
        ),
      );
      workers.set(queue, [...(workers.get(queue) ?? []), ...(await Promise.all(started))]);
    },
    stop: async (timeoutMs) => {
      const timeout = new Promise((resolve) => setTimeout(resolve, timeoutMs).unref());
      polling.abort();
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
