import { sql } from "drizzle-orm";
import { isUuid } from "#shared/uuid.js";
import type { Queryable } from "../../../db/connection/connect.js";

export type LogObjectState = "uploading" | "stored" | "deleting";

/** A log in the object storage. */
export interface LogObject {
  run_id: string;
  bucket: string;
  object_key: string;
  state: LogObjectState;
  /** Null until it is stored. */
  bytes: number | null;
}

export interface LogObjectToDelete extends LogObject {
  org_id: string;
}

/** The state of a run whose log is in the data folder. */
export interface LocalLogState {
  run_id: string;
  /** Whether nothing more is written to it. */
  is_final: boolean;
  state: LogObjectState | null;
  bytes: number | null;
}

/** The end of the lease after which another process may upload the log. */
const LEASE = sql`clock_timestamp() + interval '2 minutes'`;
/**
 * A server that lost its runs may still write to their logs, until it finds out.
 */
const LOST_DELAY = sql`interval '10 minutes'`;

const columns = sql`run_id, bucket, object_key, state, bytes::float8 as bytes`;

const rowsOf = <Row>(result: { rows: unknown[] }): Row[] => result.rows as Row[];

export async function findLogObject(tx: Queryable, runId: string): Promise<LogObject | null> {
  const found = await tx.execute(sql`select ${columns} from log_objects where run_id = ${runId}`);
  return rowsOf<LogObject>(found)[0] ?? null;
}

/** Returns the states of runs; unknown runs are left out. */
export async function listLocalLogStates(
  tx: Queryable,
  runIds: readonly string[],
): Promise<LocalLogState[]> {
  const found = await tx.execute(sql`
    select r.id as run_id, o.state, o.bytes::float8 as bytes,
      r.ended_at is not null and (r.status <> 'lost' or r.ended_at < now() - ${LOST_DELAY}) as is_final
    from runs r left join log_objects o on o.run_id = r.id
    where r.id = any(${sql.param([...runIds])}::uuid[])`);
  return rowsOf(found);
}

/**
 * Reserves the upload of a log, before its object exists. A stored log stays stored: another process may have
 * moved it just now. Returns false while another process uploads it, and if the project was deleted.
 */
export async function reserveUpload(
  tx: Queryable,
  log: { runId: string; orgId: string; projectId: string; bucket: string; key: string },
): Promise<boolean> {
  // The deletion of the project updates this row before it marks the objects.
  const project = await tx.execute(sql`
    select from projects where id = ${log.projectId} and removed_at is null for share`);
  if (project.rows.length === 0) return false;
  const reserved = await tx.execute(sql`
    insert into log_objects (run_id, org_id, project_id, bucket, object_key, lease_until)
    values (${log.runId}, ${log.orgId}, ${log.projectId}, ${log.bucket}, ${log.key}, ${LEASE})
    on conflict (run_id) do update set
      lease_until = excluded.lease_until,
      bucket = case log_objects.state when 'stored' then log_objects.bucket else excluded.bucket end,
      object_key = case log_objects.state when 'stored' then log_objects.object_key
        else excluded.object_key end
    where log_objects.state <> 'deleting'
      and (log_objects.lease_until is null or log_objects.lease_until < clock_timestamp())
    returning run_id`);
  return reserved.rows.length > 0;
}

/** Extends the lease of an upload. Returns false if the log is to be deleted. */
export async function extendUpload(tx: Queryable, runId: string): Promise<boolean> {
  const extended = await tx.execute(sql`
    update log_objects set lease_until = ${LEASE}
    where run_id = ${runId} and state <> 'deleting' returning run_id`);
  return extended.rows.length > 0;
}

/** Ends the leases of earlier processes, for the only process of the installation. */
export async function releaseAllUploads(tx: Queryable): Promise<void> {
  await tx.execute(sql`update log_objects set lease_until = null where lease_until is not null`);
}

/** Ends the lease of an upload, so that the next one need not wait. */
export async function releaseUpload(tx: Queryable, runId: string): Promise<void> {
  await tx.execute(sql`update log_objects set lease_until = null where run_id = ${runId}`);
}

/** Records a verified object. Returns false if the log is to be deleted meanwhile. */
export async function recordStored(
  tx: Queryable,
  runId: string,
  stored: { bytes: number; sha256: string; lastOutputAt: Date; lastLine: string | null },
): Promise<boolean> {
  const recorded = await tx.execute(sql`
    update log_objects set state = 'stored', lease_until = null, bytes = ${stored.bytes},
      sha256 = decode(${stored.sha256}, 'hex'), last_output_at = ${stored.lastOutputAt.toISOString()},
      last_line = ${stored.lastLine}, stored_at = clock_timestamp()
    where run_id = ${runId} and state <> 'deleting' returning run_id`);
  return recorded.rows.length > 0;
}

/** Marks the object of an upload whose file is gone for deletion, for the holder of its lease. */
export async function abandonUpload(tx: Queryable, runId: string): Promise<void> {
  await tx.execute(sql`
    update log_objects set state = 'deleting' where run_id = ${runId} and state = 'uploading'`);
}

/**
 * Marks the objects whose last output is older than `days` for deletion, and those of uploads that were
 * interrupted so long ago that their files have expired, too.
 */
export async function expireLogObjects(tx: Queryable, days: number): Promise<void> {
  await tx.execute(sql`
    update log_objects set state = 'deleting'
    where state = 'stored' and last_output_at < now() - make_interval(days => ${days})`);
  await tx.execute(sql`
    update log_objects o set state = 'deleting' from runs r
    where o.state = 'uploading' and (o.lease_until is null or o.lease_until < now()) and r.id = o.run_id
      and r.ended_at < now() - make_interval(days => ${days + 1})`);
}

/** Marks the objects of a deleted project for deletion, in the transaction that marks it as removed. */
export async function deleteLogObjectsOf(tx: Queryable, projectId: string): Promise<void> {
  await tx.execute(sql`
    update log_objects set state = 'deleting' where project_id = ${projectId}`);
}

/** Lists objects to delete, after a run's id; those that a process still uploads come later. */
export async function listLogObjectsToDelete(
  tx: Queryable,
  after: string | null,
  limit: number,
): Promise<LogObjectToDelete[]> {
  const found = await tx.execute(sql`
    select org_id, ${columns} from log_objects
    where state = 'deleting' and (lease_until is null or lease_until < clock_timestamp())
      and (${after}::uuid is null or run_id > ${after}::uuid)
    order by run_id limit ${limit}`);
  return rowsOf(found);
}

/** Removes the row of a deleted object. */
export async function removeLogObject(tx: Queryable, runId: string): Promise<void> {
  await tx.execute(sql`delete from log_objects where run_id = ${runId} and state = 'deleting'`);
}

/** Returns those of the keys below a prefix that have a row, or that name a run. */
export async function listKnownKeys(
  tx: Queryable,
  prefix: string,
  keys: readonly string[],
): Promise<Set<string>> {
  const wanted = keys.flatMap((key) => {
    const [, run] = /^[^/]+\/[^/]+\/([0-9a-f-]{36})\.log$/.exec(key.slice(prefix.length)) ?? [];
    return run !== undefined && isUuid(run) ? [{ key, run }] : [];
  });
  const found = await tx.execute(sql`
    select object_key from log_objects where object_key = any(${sql.param([...keys])}::text[])
    union select w.key from jsonb_to_recordset(${JSON.stringify(wanted)}::jsonb) as w(key text, run uuid)
      join runs r on r.id = w.run`);
  return new Set(rowsOf<{ object_key: string }>(found).map(({ object_key }) => object_key));
}

/** Returns the last lines of stored logs, by run. */
export async function listStoredLastLines(
  tx: Queryable,
  runIds: readonly string[],
): Promise<Map<string, string>> {
  const found = await tx.execute(sql`
    select run_id, last_line from log_objects
    where run_id = any(${sql.param([...runIds])}::uuid[]) and state = 'stored'
      and last_line is not null`);
  return new Map(
    rowsOf<{ run_id: string; last_line: string }>(found).map((row) => [row.run_id, row.last_line]),
  );
}

/** Returns the part of the keys of logs that this installation owns. */
export async function readLogStorageId(tx: Queryable): Promise<string> {
  const found = await tx.execute(sql`select log_storage_id from installation`);
  return rowsOf<{ log_storage_id: string }>(found)[0]?.log_storage_id ?? "";
}
