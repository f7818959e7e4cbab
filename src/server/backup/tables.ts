/** Dumps and loads the tables of an installation, as its owner. */
import { PassThrough } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import { drizzle } from "drizzle-orm/node-postgres";
import type pg from "pg";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";
import type { Queryable } from "../db/connection/connect.js";
import { openNodeQueues } from "../db/queue-schema.js";
import { readStoredSchema, type StoredTable } from "../db/tables/stored-tables.js";
import type { BackupSource } from "./backup-place.js";
import { tableFile, type BackupWriter } from "./format.js";

/**
 * Dumps all rows visible to the client's transaction.
 * @returns row counts by table
 */
export async function dumpTables(
  client: pg.ClientBase,
  backup: BackupWriter,
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  const { tables } = await readStoredSchema(client);
  for (const { id, name, columns } of tables) {
    // COPY of a query, because COPY of a table ignores no row-level security; the owner sees all rows
    // here.
    const rows = client.query(copyTo(`copy (select ${columns} from ${name}) to stdout`));
    const content = backup.compresses ? new PassThrough() : createGzip({ level: 1 });
    await Promise.all([pipeline(rows, content), backup.write(tableFile(id, backup), content)]);
    counts[id] = rows.rowCount;
  }
  return counts;
}

/**
 * Loads the rows of a backup into freshly migrated tables, in one transaction: constraints are checked
 * at its end.
 * @param counts expected row count of each table
 */
export async function loadTables(
  client: pg.Client,
  place: BackupSource,
  counts: Record<string, number>,
): Promise<void> {
  await client.query("begin");
  try {
    const { tables, open, close } = await readStoredSchema(client);
    for (const statement of open) await client.query(statement);
    for (const table of tables) await loadTable(client, place, table, counts);
    for (const statement of close) await client.query(statement);
    await openNodeQueues(drizzle(client) as Queryable, null);
    // The processes that ran these jobs no longer exist.
    await client.query("update pgboss.job set state = 'retry' where state = 'active'");
    await setSequences(client);
    // The logs are restored to the data folder; the objects belong to the installation of the backup.
    await client.query("delete from log_objects");
    await client.query("update installation set log_storage_id = gen_random_uuid()");
    await client.query("commit");
  } catch (error) {
    await client.query("rollback").catch(() => undefined);
    throw error;
  }
}

async function loadTable(
  client: pg.ClientBase,
  place: BackupSource,
  { id, name, columns }: StoredTable,
  counts: Record<string, number>,
): Promise<void> {
  const expected = counts[id];
  if (expected === undefined) throw new Error(`the backup has no table ${id}`);
  const into = client.query(copyFrom(`copy ${name} (${columns}) from stdin`));
  const content = place.compresses ? new PassThrough() : createGunzip();
  await pipeline(place.read(tableFile(id, place)), content, into);
  if (into.rowCount !== expected) {
    throw new Error(`${id} has ${into.rowCount} rows instead of ${expected}`);
  }
}

/** Advances each sequence past the largest loaded value. */
async function setSequences(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ table: string; column: string; sequence: string }>(
    `select t.oid::regclass::text as table, quote_ident(a.attname) as column,
       s.oid::regclass::text as sequence
     from pg_class s
     join pg_depend d on d.objid = s.oid and d.classid = 'pg_class'::regclass
       and d.deptype in ('a', 'i')
     join pg_class t on t.oid = d.refobjid
     join pg_attribute a on a.attrelid = t.oid and a.attnum = d.refobjsubid
     join pg_namespace n on n.oid = t.relnamespace
     where s.relkind = 'S' and n.nspname = 'public'`,
  );
  for (const { table, column, sequence } of rows) {
    await client.query(
      `select setval($1, greatest(max(${column}), 1), max(${column}) is not null) from ${table}`,
      [sequence],
    );
  }
}
