/** The tables and columns of a copy of all rows, for dumps and backups. */
import type pg from "pg";

/** A table whose rows are copied. */
export interface StoredTable {
  /** Schema and name, for messages and file names. */
  id: string;
  /** Schema and name, quoted for SQL. */
  name: string;
  /** The stored columns in order, quoted for SQL. */
  columns: string;
}

export interface StoredSchema {
  tables: StoredTable[];
  /**
   * Statements that prepare the tables for replacing all rows, and statements that restore their
   * constraints, both in one transaction: rows arrive in any order, and row-level security binds the
   * owner, too.
   */
  open: string[];
  close: string[];
}

interface TableRow extends StoredTable {
  isForced: boolean;
}

/**
 * Reads the tables to copy: all of the product's tables and the pending jobs. The record of migrations
 * and the queue's settings are omitted, because a start creates them. Unlogged tables describe running processes.
 */
export async function readStoredSchema(client: pg.ClientBase): Promise<StoredSchema> {
  const { rows: tables } = await client.query<TableRow>(
    `select n.nspname || '.' || c.relname as id, format('%I.%I', n.nspname, c.relname) as name,
       c.relforcerowsecurity as "isForced",
       string_agg(quote_ident(a.attname), ', ' order by a.attnum) as columns
     from pg_class c
     join pg_namespace n on n.oid = c.relnamespace
     join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
       and a.attgenerated = ''
     where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence = 'p'
       and (n.nspname = 'public' and c.relname <> 'schema_migrations'
         or n.nspname = 'pgboss' and c.relname = 'job')
     group by 1, 2, 3 order by 1`,
  );
  const { rows: keys } = await client.query<{ table: string; name: string; definition: string }>(
    `select format('%I.%I', n.nspname, t.relname) as table, quote_ident(c.conname) as name,
       pg_get_constraintdef(c.oid) as definition
     from pg_constraint c
     join pg_class t on t.oid = c.conrelid
     join pg_namespace n on n.oid = t.relnamespace
     where c.contype = 'f' and n.nspname = 'public' order by 1, 2`,
  );
  const forced = tables.filter(({ isForced }) => isForced);
  return {
    tables,
    open: [
      ...keys.map(({ table, name }) => `alter table ${table} drop constraint ${name}`),
      ...tables.map(({ name }) => `alter table ${name} disable trigger user`),
      ...forced.map(({ name }) => `alter table ${name} no force row level security`),
      ...tables.map(({ name }) => `delete from ${name}`),
    ],
    close: [
      ...keys.map(
        ({ table, name, definition }) =>
          `alter table ${table} add constraint ${name} ${definition}`,
      ),
      ...tables.map(({ name }) => `alter table ${name} enable trigger user`),
      ...forced.map(({ name }) => `alter table ${name} force row level security`),
    ],
  };
}
