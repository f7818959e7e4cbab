/** The tables of an installation, written out and read in as its owner. */
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import type pg from "pg";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";
import { tableFile, type BackupWriter } from "./format.js";

interface Table {
  schema: string;
  name: string;
  /** Quoted names of the columns that are stored, in their order. */
  columns: string;
  isForced: boolean;
}

const sqlName = ({ schema, name }: Pick<Table, "schema" | "name">): string =>
  `${quoted(schema)}.${quoted(name)}`;

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * The tables that are backed up: all of the product's, and the jobs that wait. What migrations write by
 * themselves, the record of them and the queue's own settings, is made by a start.
 */
async function listTables(client: pg.ClientBase): Promise<Table[]> {
  const { rows } = await client.query<Table>(
    `select n.nspname as schema, c.relname as name, c.relforcerowsecurity as "isForced",
       string_agg(quote_ident(a.attname), ', ' order by a.attnum) as columns
     from pg_class c
     join pg_namespace n on n.oid = c.relnamespace
     join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
       and a.attgenerated = ''
     where c.relkind in ('r', 'p') and not c.relispartition
       and (n.nspname = 'public' and c.relname <> 'schema_migrations'
         or n.nspname = 'pgboss' and c.relname = 'job')
     group by 1, 2, 3 order by 1, 2`,
  );
  return rows;
}

/**
 * Writes all rows that the client's transaction sees.
 * @returns the number of rows by table
 */
export async function dumpTables(
  client: pg.ClientBase,
  backup: BackupWriter,
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const table of await listTables(client)) {
    // Of a query, since row-level security holds for COPY of a table; the owner sees all here.
    const rows = client.query(
      copyTo(`copy (select ${table.columns} from ${sqlName(table)}) to stdout`),
    );
    const compressed = createGzip({ level: 1 });
    await Promise.all([
      pipeline(rows, compressed),
      backup.write(tableFile(table.schema, table.name), compressed),
    ]);
    counts[`${table.schema}.${table.name}`] = rows.rowCount;
  }
  return counts;
}

/**
 * Reads all rows of a backup into tables that were just migrated, in one transaction: constraints are checked
 * at its end.
 * @param counts the rows that each table must have
 */
export async function loadTables(
  client: pg.ClientBase,
  folder: string,
  counts: Record<string, number>,
): Promise<void> {
  await client.query("begin");
  try {
    const tables = await listTables(client);
    const { rows: keys } = await client.query<{ table: string; name: string; definition: string }>(
      `select c.conrelid::regclass::text as table, quote_ident(c.conname) as name,
         pg_get_constraintdef(c.oid) as definition
       from pg_constraint c join pg_namespace n on n.oid = c.connamespace
       where c.contype = 'f' and n.nspname = 'public' order by 1, 2`,
    );
    for (const { table, name } of keys) {
      await client.query(`alter table ${table} drop constraint ${name}`);
    }
    for (const table of tables) {
      // COPY takes no rows where row-level security holds, as it does for the owner.
      await client.query(`alter table ${sqlName(table)} disable trigger user`);
      if (table.isForced) {
        await client.query(`alter table ${sqlName(table)} no force row level security`);
      }
      await client.query(`delete from ${sqlName(table)}`);
    }
    for (const table of tables) await loadTable(client, folder, table, counts);
    for (const { table, name, definition } of keys) {
      await client.query(`alter table ${table} add constraint ${name} ${definition}`);
    }
    for (const table of tables) {
      await client.query(`alter table ${sqlName(table)} enable trigger user`);
      if (table.isForced) {
        await client.query(`alter table ${sqlName(table)} force row level security`);
      }
    }
    // No process works on them any more.
    await client.query("update pgboss.job set state = 'retry' where state = 'active'");
    await setSequences(client);
    await client.query("commit");
  } catch (error) {
    await client.query("rollback").catch(() => undefined);
    throw error;
  }
}

async function loadTable(
  client: pg.ClientBase,
  folder: string,
  table: Table,
  counts: Record<string, number>,
): Promise<void> {
  const expected = counts[`${table.schema}.${table.name}`];
  if (expected === undefined) throw new Error(`the backup has no table ${sqlName(table)}`);
  const into = client.query(copyFrom(`copy ${sqlName(table)} (${table.columns}) from stdin`));
  const file = createReadStream(join(folder, tableFile(table.schema, table.name)));
  await pipeline(file, createGunzip(), into);
  if (into.rowCount !== expected) {
    throw new Error(`${sqlName(table)} has ${into.rowCount} rows instead of ${expected}`);
  }
}

/** Has each column that counts go on after the largest number that was read in. */
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
