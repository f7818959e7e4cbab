import { sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import PgBoss from "pg-boss";
import type pg from "pg";
import type { Queryable } from "./queryable.js";

/** The kinds of background jobs and their payloads. */
export interface JobData {
  "import-project": { org_id: string; project_id: string };
  /** A fetch or a push, as stored in the upstream's row. */
  "use-upstream": { org_id: string; project_id: string };
  "remove-project": { org_id: string; project_id: string };
  /** Starts runs that wait in an organization's queue, and programs for which prompts wait. */
  "start-queued-runs": { org_id: string };
  /** Starts queued checks of merge queues while this process has room for them. */
  "start-checks": Record<string, never>;
  /** Starts queued second opinions while this process has room for them. */
  "start-opinions": Record<string, never>;
  /** Publishes the reviews of second opinions whose runs have ended. */
  "end-opinions": Record<string, never>;
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

/** The kinds of jobs that work on the disk of a node: only the home of their project takes them. */
const homeJobs = [
  "import-project",
  "use-upstream",
  "remove-project",
  "start-queued-runs",
  "start-checks",
  "start-opinions",
  "end-opinions",
  "advance-merge-queue",
  "scan-project",
  "sync-logs",
] as const satisfies readonly JobName[];
export type HomeJobName = (typeof homeJobs)[number];

export function isHomeJob(name: JobName): name is HomeJobName {
  return (homeJobs as readonly JobName[]).includes(name);
}

/** Returns the queue of a kind of jobs, or that of one node. */
export const queueOf = (name: JobName, nodeId: string): string =>
  isHomeJob(name) ? `${name}.${nodeId}` : name;

/** Pending jobs of a queue with the policy `short` have different keys. */
export const jobKeys: { [Name in JobName]?: (data: JobData[Name]) => string } = {
  "advance-merge-queue": ({ project_id, branch }) => `${project_id} ${branch}`,
  "scan-project": ({ project_id }) => project_id,
  "deliver-webhook": ({ webhook_id }) => webhook_id,
  "sync-logs": () => "all",
};

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
  // Neither are these.
  "start-opinions": { name: "start-opinions", retryLimit: 0, expireInSeconds: 300 },
  "end-opinions": { name: "end-opinions", retryLimit: 0, expireInSeconds: 300 },
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

export const jobNames = Object.keys(queues) as JobName[];

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
    if (!known.has(name) && !isHomeJob(name as JobName)) await boss.createQueue(name, options);
  }
  await boss.stop({ graceful: false, wait: true, close: false });
  await owner.query(nodePartition);
  await openNodeQueues(drizzle(owner) as Queryable, null);
  await owner.query(moveSharedJobs, [homeJobs]);
}

/**
 * The partition of all queues of nodes: a partition for each of them would be too many. Its indexes are those
 * that pg-boss gives its own partitions, for the policies in use.
 */
const nodePartition = `do $$ begin
  if to_regclass('pgboss.job_of_nodes') is null then
    create table pgboss.job_of_nodes partition of pgboss.job default;
    create unique index job_of_nodes_short on pgboss.job_of_nodes (name, coalesce(singleton_key, ''))
      where state = 'created' and policy = 'short';
    create index job_of_nodes_fetch on pgboss.job_of_nodes (name, start_after)
      include (priority, created_on, id) where state < 'active';
  end if;
end $$`;

/**
 * Adds the queues of a node, or of all nodes. They are rows only, which the serving role may add. Without the
 * name of a partition, pg-boss cannot delete the partition that they share.
 */
export async function openNodeQueues(db: Queryable, nodeId: string | null): Promise<void> {
  const kinds = homeJobs.map((name) => ({ policy: "standard", ...queues[name] }));
  await db.execute(sql`
    insert into pgboss.queue (name, policy, retry_limit, retry_delay, retry_backoff, expire_seconds)
    select k.name || '.' || n.id, k.policy, k."retryLimit", k."retryDelay", k."retryBackoff",
      k."expireInSeconds"
    from nodes n, jsonb_to_recordset(${JSON.stringify(kinds)}::jsonb) as k (name text, policy text,
      "retryLimit" int, "retryDelay" int, "retryBackoff" boolean, "expireInSeconds" int)
    where ${nodeId}::uuid is null or n.id = ${nodeId}::uuid
    on conflict do nothing`);
}

/**
 * Moves the pending jobs of an earlier version, whose queues had no node, to the homes of their projects. Jobs
 * without a project are sent again by periodic work.
 */
const moveSharedJobs = `with moved as (
    delete from pgboss.job where name = any($1) and state < 'active' returning *)
  insert into pgboss.job (id, name, priority, data, state, retry_limit, retry_count, retry_delay,
    retry_backoff, start_after, singleton_key, expire_in, created_on, keep_until, policy)
  select m.id, m.name || '.' || p.home_node, m.priority, m.data, m.state, m.retry_limit, m.retry_count,
    m.retry_delay, m.retry_backoff, m.start_after, m.singleton_key, m.expire_in, m.created_on, m.keep_until,
    m.policy
  from moved m join projects p on p.id = (m.data->>'project_id')::uuid
  on conflict do nothing`;
