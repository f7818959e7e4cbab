import { sql } from "drizzle-orm";
import type { Queryable } from "../../../db/connection/connect.js";
import { backupAges } from "../../../metrics/gauges.js";

/** Lists the tables with rows of organizations whose row-level security is off, not forced, or without a policy. */
export async function findOpenTables(tx: Queryable): Promise<string[]> {
  const { rows } = await tx.execute<{ name: string }>(sql`
    select c.relname as name from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attname = 'org_id' and not a.attisdropped
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
      and not (c.relrowsecurity and c.relforcerowsecurity
        and exists (select from pg_policy where polrelid = c.oid))
    order by 1`);
  return rows.map(({ name }) => name);
}

/** Reads the time of the database, in milliseconds since 1970. */
export async function readDatabaseClock(tx: Queryable): Promise<number> {
  const { rows } = await tx.execute<{ ms: number }>(
    sql`select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms`,
  );
  return rows[0]?.ms ?? Number.NaN;
}

/** The last backup of a server. */
export interface LastBackup extends Record<string, unknown> {
  /** Name of the server. */
  name: string;
  /** Whether it never had one; the age is then that of the server. */
  is_missing: boolean;
  age_seconds: number;
}

/** Reads the last backup of each server, the oldest first. */
export async function readLastBackups(tx: Queryable): Promise<LastBackup[]> {
  const { rows } = await tx.execute<LastBackup>(sql`
    select name, is_missing, extract(epoch from age)::float8 as age_seconds
    from ${backupAges} b order by age desc`);
  return rows;
}

/** Jobs of all servers. */
export interface JobCounts extends Record<string, unknown> {
  failed: number;
  /** Jobs that could have begun a quarter of an hour ago. */
  late: number;
  /** The queues of both. */
  queues: string[];
}

export async function countTroubledJobs(tx: Queryable): Promise<JobCounts> {
  const { rows } = await tx.execute<JobCounts>(sql`
    select count(*) filter (where state = 'failed')::int as failed,
      count(*) filter (where state <> 'failed')::int as late,
      coalesce(array_agg(distinct split_part(name, '.', 1)), '{}') as queues
    from pgboss.job
    where state = 'failed'
      or (state in ('created', 'retry') and start_after < clock_timestamp() - interval '15 minutes')`);
  return rows[0] as JobCounts;
}
