import { statfs } from "node:fs/promises";
import { sql } from "drizzle-orm";
import type { Logger } from "pino";
import { runStatuses } from "#shared/execution/run-choices.js";
import type { Database } from "../db/connection/connect.js";
import { jobNames } from "../db/queue-schema.js";
import { readTogether, valuesOf, withZeros, type DatabaseGauge } from "./database-gauges.js";
import type { GaugeSource } from "./metrics.js";

export interface GaugeDeps {
  db: Database;
  dataDir: string;
  openStreams: () => number;
  /** The gauges of the features. */
  ofFeatures: readonly DatabaseGauge[];
  log: Logger;
}

/** Returns the gauges of a server process. */
export function createGauges(deps: GaugeDeps): GaugeSource[] {
  const { db, dataDir, openStreams, ofFeatures, log } = deps;
  const ofDatabase = readTogether([...installationGauges, ...ofFeatures], db, log);
  return [
    ...ofDatabase.map((source) =>
      source.name === DISK
        ? {
            ...source,
            read: async () => [...(await source.read()), ...(await fileSystem(dataDir))],
          }
        : source,
    ),
    {
      name: "omoi_event_streams",
      help: "Open event streams.",
      labels: [],
      read: async () => [[[], openStreams()]],
    },
    {
      name: "omoi_database_pool",
      help: "Database connections by state; `waiting` counts callers without a connection.",
      labels: ["state"],
      read: async () => Object.entries(db.poolState()).map(([state, value]) => [[state], value]),
    },
  ];
}

const DISK = "omoi_disk_bytes";

/**
 * The time since the last backup of each server (`name`, `age`), or since it was registered (`is_missing`). Backups of
 * earlier versions name no server.
 */
export const backupAges = sql`(
  select n.name, b.at is null as is_missing, clock_timestamp() - coalesce(b.at, n.created_at) as age
  from nodes n left join lateral (
    select max(e.at) as at from installation_events e where e.action = 'backup.created'
      and coalesce(e.target ->> 'id', n.id::text) = n.id::text) b on true
  where n.adopted_by is null)`;

/** States of jobs that are always exported; completed jobs are deleted at once. */
const jobStates = ["created", "retry", "active", "failed"];

const installationGauges: DatabaseGauge[] = [
  {
    name: "omoi_runs",
    help: "Runs of all organizations by status.",
    labels: ["status"],
    query: async (tx) => {
      const counts = sql`select array[status] as labels, count(*)::float8 as value from runs group by status`;
      return withZeros(runStatuses, await valuesOf(tx, counts));
    },
  },
  {
    name: "omoi_run_queue_length",
    help: "Queued runs.",
    labels: [],
    query: (tx) =>
      valuesOf(tx, sql`select count(*)::float8 as value from runs where status = 'queued'`),
  },
  {
    name: "omoi_jobs",
    help: "Background jobs by queue and state.",
    labels: ["queue", "state"],
    query: async (tx) => {
      const known = jobNames.flatMap((name) => jobStates.map((state) => [name, state]));
      const counts = sql`
        select array[split_part(name, '.', 1), state::text] as labels, count(*)::float8 as value
        from pgboss.job group by 1`;
      return withZeros(known, await valuesOf(tx, counts));
    },
  },
  {
    name: "omoi_failing_emails",
    help: "Emails whose last attempt failed, and that are retried or were given up within the hour.",
    labels: [],
    query: (tx) =>
      valuesOf(
        tx,
        sql`select count(*)::float8 as value from pgboss.job where name = 'send-mail'
          and (state = 'failed' or (retry_count > 0 and state < 'completed'))`,
      ),
  },
  {
    name: "omoi_backup_age_seconds",
    help: "Time since the last backup of the server whose backup is the oldest, or since it was registered.",
    labels: [],
    query: (tx) =>
      valuesOf(tx, sql`select extract(epoch from max(age))::float8 as value from ${backupAges} b`),
  },
  {
    name: DISK,
    help: "Disk space by kind; file_system_size and file_system_free refer to the data folder's disk.",
    labels: ["kind"],
    query: (tx) =>
      valuesOf(
        tx,
        sql`select array['workspaces'] as labels, coalesce(sum(bytes), 0)::float8 as value
            from workspace_disk_usage
          union all select array['repositories'], coalesce(sum(bytes), 0)::float8 from repository_disk_usage
          union all select array['layers'], coalesce(sum(layers_bytes), 0)::float8
            from repository_disk_usage
          union all select array['database'], pg_database_size(current_database())::float8`,
      ),
  },
];

async function fileSystem(folder: string): Promise<[[string], number][]> {
  const { bsize, blocks, bavail } = await statfs(folder);
  return [
    [["file_system_size"], blocks * bsize],
    [["file_system_free"], bavail * bsize],
  ];
}
