import PgBoss from "pg-boss";
import type pg from "pg";

/** The kinds of background work and what each is told. */
export interface JobData {
  "import-project": { org_id: string; project_id: string };
  /** A fetch or a push, as the upstream's row says. */
  "use-upstream": { org_id: string; project_id: string };
  "remove-project": { org_id: string; project_id: string };
  /** Starts what waits in an organization's queue of runs. */
  "start-queued-runs": { org_id: string };
  /** Looks for conflicts between the project's workspaces. */
  "scan-project": { org_id: string; project_id: string };
  /** Finds out whether there is somebody to send a link to, and does. */
  "send-link": { purpose: "verify" | "reset"; email: string };
  /** A letter, sealed: it may hold a one-time link. */
  "send-mail": { sealed: string };
}
export type JobName = keyof JobData;

const queues: Record<JobName, PgBoss.Queue> = {
  // An import may take long; one whose process died is tried again when it has expired.
  "import-project": { name: "import-project", retryLimit: 2, retryDelay: 5, expireInSeconds: 3600 },
  "use-upstream": { name: "use-upstream", retryLimit: 2, retryDelay: 5, expireInSeconds: 3600 },
  "remove-project": {
    name: "remove-project",
    retryLimit: 5,
    retryDelay: 30,
    expireInSeconds: 3600,
  },
  // Whoever waits is looked for again within seconds.
  "start-queued-runs": { name: "start-queued-runs", retryLimit: 0, expireInSeconds: 300 },
  // Of each project at most one waits (see `send`), whatever happens in it meanwhile.
  "scan-project": {
    name: "scan-project",
    policy: "short",
    retryLimit: 5,
    retryDelay: 5,
    retryBackoff: true,
    expireInSeconds: 1800,
  },
  "send-link": { name: "send-link", retryLimit: 5, retryDelay: 5, expireInSeconds: 60 },
  // Nine tries, each after about twice the pause before: 40 to 90 minutes in all.
  "send-mail": {
    name: "send-mail",
    retryLimit: 8,
    retryDelay: 10,
    retryBackoff: true,
    expireInSeconds: 120,
  },
};

/** The schema of the job queue's tables. */
export const schema = "pgboss";
/** Runs pg-boss's statements on our connections. */
export const adapter = (
  db: pg.Pool | pg.Client,
  track: <Result>(work: Promise<Result>) => Promise<Result> = (work) => work,
): PgBoss.Db => ({
  executeSql: (text, values) => track(db.query(text, values)),
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
