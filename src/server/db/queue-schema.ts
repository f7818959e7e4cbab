import PgBoss from "pg-boss";
import type pg from "pg";

/** The kinds of background jobs and their payloads. */
export interface JobData {
  "import-project": { org_id: string; project_id: string };
  /** A fetch or a push, as stored in the upstream's row. */
  "use-upstream": { org_id: string; project_id: string };
  "remove-project": { org_id: string; project_id: string };
  /** Starts runs that wait in an organization's queue. */
  "start-queued-runs": { org_id: string };
  /** Starts queued checks of merge queues while this process has room for them. */
  "start-checks": Record<string, never>;
  /** Continues the merge queue of a branch. */
  "advance-merge-queue": { org_id: string; project_id: string; branch: string };
  /** Moves logs of ended runs to the object storage, and deletes expired ones there. */
  "sync-logs": Record<string, never>;
  /** Detects conflicts between the project's workspaces. */
  "scan-project": { org_id: string; project_id: string };
  /** Sends the due deliveries of a webhook. */
  "deliver-webhook": { org_id: string; webhook_id: string };
  /** Emails a link if the account exists. */
  "send-link": { purpose: "verify" | "reset"; email: string };
  /** An encrypted email, because it may contain a one-time link. */
  "send-mail": { sealed: string };
}
export type JobName = keyof JobData;

const queues: Record<JobName, PgBoss.Queue> = {
  // An import may take long. The job of a dead process is retried when it expires.
  "import-project": { name: "import-project", retryLimit: 2, retryDelay: 5, expireInSeconds: 3600 },
  "use-upstream": { name: "use-upstream", retryLimit: 2, retryDelay: 5, expireInSeconds: 3600 },
  "remove-project": {
    name: "remove-project",
    retryLimit: 5,
    retryDelay: 30,
    expireInSeconds: 3600,
  },
  // Not retried: a periodic job starts waiting runs within seconds.
  "start-queued-runs": { name: "start-queued-runs", retryLimit: 0, expireInSeconds: 300 },
  // Not retried either, for the same reason.
  "start-checks": { name: "start-checks", retryLimit: 0, expireInSeconds: 300 },
  // At most one step per branch is pending. A periodic job sends another one if it fails.
  "advance-merge-queue": {
    name: "advance-merge-queue",
    policy: "short",
    retryLimit: 0,
    expireInSeconds: 600,
  },
  // Not retried: a periodic job continues. A job ends after ten minutes, and its transfers within an hour.
  "sync-logs": { name: "sync-logs", policy: "short", retryLimit: 0, expireInSeconds: 3600 },
  // At most one scan per project is pending (see `send`), however often the project changes.
  "scan-project": {
    name: "scan-project",
    policy: "short",
    retryLimit: 5,
    retryDelay: 5,
    retryBackoff: true,
    expireInSeconds: 1800,
  },
  // At most one job per webhook is pending. Retries are times of the deliveries, for which a periodic job
  // sends another one.
  "deliver-webhook": {
    name: "deliver-webhook",
    policy: "short",
    retryLimit: 0,
    expireInSeconds: 60,
  },
  "send-link": { name: "send-link", retryLimit: 5, retryDelay: 5, expireInSeconds: 60 },
  // Nine attempts with exponential backoff: 40 to 90 minutes in total.
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
/** Runs pg-boss's statements on the application's connections. */
export const adapter = (
  db: pg.Pool | pg.Client,
  track: <Result>(work: Promise<Result>) => Promise<Result> = (work) => work,
): PgBoss.Db => ({
  executeSql: (text, values) => track(db.query(text, values)),
});

/** Creates the queue's tables as the owner, so that the serving role owns nothing. */
export async function prepareQueues(owner: pg.Client): Promise<void> {
  const boss = new PgBoss({ db: adapter(owner), schema, supervise: false, schedule: false });
  await boss.start();
  const known = new Set((await boss.getQueues()).map((queue) => queue.name));
  for (const [name, options] of Object.entries(queues)) {
    if (!known.has(name)) await boss.createQueue(name, options);
  }
  await boss.stop({ graceful: false, wait: true, close: false });
}
