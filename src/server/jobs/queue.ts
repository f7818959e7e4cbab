import PgBoss from "pg-boss";
import type pg from "pg";
import type { Logger } from "pino";

/** The kinds of background work and what each is told. */
export interface JobData {
  "import-project": { org_id: string; project_id: string };
}
type JobName = keyof JobData;

const queues: Record<JobName, PgBoss.Queue> = {
  // An import may take long; one whose process died is tried again when it has expired.
  "import-project": { name: "import-project", retryLimit: 2, retryDelay: 5, expireInSeconds: 3600 },
};

export interface Jobs {
  /** Hands work to whichever server process is free. */
  send<Name extends JobName>(name: Name, data: JobData[Name]): Promise<void>;
  /** Takes up work of one kind in this process. Throwing has it tried again, up to the queue's limit. */
  work<Name extends JobName>(
    name: Name,
    handler: (data: JobData[Name], signal: AbortSignal) => Promise<void>,
  ): Promise<void>;
  /** Stops taking work and waits for what is under way, at most `timeoutMs`; then it is cancelled. */
  stop(timeoutMs: number): Promise<void>;
}

const schema = "pgboss";
const adapter = (db: pg.Pool | pg.Client): PgBoss.Db => ({
  executeSql: (text, values) => db.query(text, values),
});

/** Makes the queue's tables as the owner of the database, so that the serving role owns nothing. */
export async function prepareQueues(owner: pg.Client): Promise<void> {
  const boss = new PgBoss({ db: adapter(owner), schema, supervise: false, schedule: false });
  await boss.start();
  const known = new Set((await boss.getQueues()).map((queue) => queue.name));
  for (const [name, options] of Object.entries(queues)) {
    if (!known.has(name)) await boss.createQueue(name, options);
  }
  await boss.stop({ graceful: false, wait: true, close: false });
}

/** Connects this process to the queue. */
export async function startJobs(pool: pg.Pool, log: Logger): Promise<Jobs> {
  const boss = new PgBoss({
    db: adapter(pool),
    schema,
    migrate: false,
    schedule: false,
    maintenanceIntervalSeconds: 300,
  });
  boss.on("error", (error) => log.warn({ err: error }, "the job queue cannot reach the database"));
  await boss.start();
  const stopping = new AbortController();
  const underWay = new Set<Promise<void>>();

  return {
    send: async (name, data) => {
      await boss.send(name, data);
    },
    work: async (name, handler) => {
      await boss.work<JobData[typeof name]>(
        name,
        { pollingIntervalSeconds: 0.5, batchSize: 1 },
        async ([job]) => {
          if (!job) return;
          const running = handler(job.data, stopping.signal);
          underWay.add(running);
          await running.finally(() => underWay.delete(running));
        },
      );
    },
    stop: async (timeoutMs) => {
      const drained = Promise.allSettled(underWay);
      const patience = new Promise((resolve) => setTimeout(resolve, timeoutMs).unref());
      const stopped = boss.stop({ graceful: true, wait: false, close: false });
      await Promise.race([drained, patience]);
      stopping.abort();
      await Promise.allSettled(underWay);
      await stopped;
    },
  };
}
