import { statfs } from "node:fs/promises";
import { sql } from "drizzle-orm";
import type { Logger } from "pino";
import { runStatuses } from "#shared/run-statuses.js";
import type { Database, Queryable } from "../db/connection/connect.js";
import type { GaugeSource } from "./metrics.js";

export interface GaugeDeps {
  db: Database;
  dataDir: string;
  openStreams: () => number;
  log: Logger;
}

/** How long database figures are cached, so that frequent scrapes do not load the database. */
const CACHE_MS = 10_000;
/** Timeout of a metrics query. */
const QUERY_TIMEOUT_MS = 5000;

interface Figures {
  runs: (readonly [[status: string], number])[];
  queueLength: (readonly [[], number])[];
  jobs: (readonly [[queue: string, state: string], number])[];
  disk: (readonly [[kind: string], number])[];
}
const none: Figures = { runs: [], queueLength: [], jobs: [], disk: [] };

/**
 * Returns the gauges of a server process. Database gauges are omitted while the database is
 * unreachable.
 */
export function createGauges({ db, dataDir, openStreams, log }: GaugeDeps): GaugeSource[] {
  const figures = cacheFor(CACHE_MS, () =>
    readFigures(db).catch((error: unknown) => {
      log.warn({ err: error }, "cannot read figures for metrics");
      return none;
    }),
  );
  return [
    {
      name: "omoi_runs",
      help: "Runs of all organizations by status.",
      labels: ["status"],
      read: async () => (await figures()).runs,
    },
    {
      name: "omoi_run_queue_length",
      help: "Queued runs.",
      labels: [],
      read: async () => (await figures()).queueLength,
    },
    {
      name: "omoi_jobs",
      help: "Background jobs by queue and state.",
      labels: ["queue", "state"],
      read: async () => (await figures()).jobs,
    },
    {
      name: "omoi_disk_bytes",
      help: "Disk space by kind; file_system_size and file_system_free refer to the data folder's disk.",
      labels: ["kind"],
      read: async () => [...(await figures()).disk, ...(await fileSystem(dataDir))],
    },
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

/** Reads the totals over all organizations. */
async function readFigures(db: Database): Promise<Figures> {
  return db.withSystemTx("read metrics", async (tx) => {
    await tx.execute(sql.raw(`set local statement_timeout = ${QUERY_TIMEOUT_MS}`));
    const counts = new Map<string, number>(runStatuses.map((status) => [status, 0]));
    for (const { status, count } of await rows<{ status: string }>(
      tx,
      sql`select status, count(*)::float8 as count from runs group by status`,
    )) {
      counts.set(status, count);
    }
    const jobs = await rows<{ name: string; state: string }>(
      tx,
      sql`select split_part(name, '.', 1) as name, state::text, count(*)::float8 as count
        from pgboss.job group by 1, 2`,
    );
    const disk = await rows<{ kind: string }>(
      tx,
      sql`select 'workspaces' as kind, coalesce(sum(bytes), 0)::float8 as count from workspace_disk_usage
        union all select 'repositories', coalesce(sum(bytes), 0)::float8 from repository_disk_usage
        union all select 'layers', coalesce(sum(layers_bytes), 0)::float8 from repository_disk_usage
        union all select 'database', pg_database_size(current_database())::float8`,
    );
    return {
      runs: [...counts].map(([status, count]) => [[status], count]),
      queueLength: [[[], counts.get("queued") ?? 0]],
      jobs: jobs.map(({ name, state, count }) => [[name, state], count]),
      disk: disk.map(({ kind, count }) => [[kind], count]),
    };
  });
}

async function rows<Row extends object>(
  tx: Queryable,
  query: ReturnType<typeof sql>,
): Promise<(Row & { count: number })[]> {
  const result = await tx.execute(query);
  return result.rows as unknown as (Row & { count: number })[];
}

async function fileSystem(folder: string): Promise<[[string], number][]> {
  const { bsize, blocks, bavail } = await statfs(folder);
  return [
    [["file_system_size"], blocks * bsize],
    [["file_system_free"], bavail * bsize],
  ];
}

/** Caches a value for `ms` milliseconds. Concurrent callers share one read. */
function cacheFor<Value>(ms: number, read: () => Promise<Value>): () => Promise<Value> {
  let value: Promise<Value> | undefined;
  let readAt = 0;
  return () => {
    if (value === undefined || performance.now() - readAt > ms) {
      readAt = performance.now();
      value = read();
    }
    return value;
  };
}
