/** A SQL dump of all rows, written before a migration. */
import { randomBytes } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import type pg from "pg";
import { ConfigError } from "#shared/node/config-error.js";
import { isNoSpace } from "#shared/node/no-space.js";
import { readStoredSchema, type StoredTable } from "./tables/stored-tables.js";

/** Number of dumps to keep. */
const KEPT = 3;
/** Rows per insert statement. */
const ROWS = 200;
const NAME = /^before-.*\.sql\.gz$/;

/**
 * Writes all rows into `before-<migration>-<time>.sql.gz` in the folder and deletes all but the newest
 * three dumps. `psql` loads the file as the database's owner into a freshly created database of the
 * same version, replacing all rows.
 * @param owner must have no open transaction
 * @returns the path
 * @throws ConfigError when the disk is full
 */
export async function dumpBeforeMigration(
  migration: string,
  owner: pg.Client,
  folder: string,
): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const time = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, "");
  const path = join(folder, `before-${migration.replace(/\.sql$/, "")}-${time}.sql.gz`);
  const partial = `${path}.partial`;
  await removeOthers(folder, KEPT - 1);
  try {
    await owner.query("begin isolation level repeatable read read only");
    const file = createWriteStream(partial, { mode: 0o600, flush: true });
    await pipeline(Readable.from(statements(owner)), createGzip({ level: 1 }), file);
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    if (!isNoSpace(error)) throw error;
    throw new ConfigError(
      `The database cannot be dumped before its migration because the disk of ${folder} is full; free some space and start again`,
    );
  } finally {
    await owner.query("rollback");
  }
  return path;
}

/** Deletes all but the newest dumps, and the temporary files of interrupted dumps. */
async function removeOthers(folder: string, kept: number): Promise<void> {
  const names = await readdir(folder);
  const dumps = names.filter((name) => NAME.test(name)).toSorted(byTime);
  const partial = names.filter((name) => name.endsWith(".partial"));
  for (const name of [...dumps.slice(0, Math.max(0, dumps.length - kept)), ...partial]) {
    await rm(join(folder, name), { force: true });
  }
}

/** Compares by the time at the end of the names. */
function byTime(one: string, other: string): number {
  const [first, second] = [one, other].map((name) => name.slice(-"20260101T000000Z.sql.gz".length));
  return (first ?? "") < (second ?? "") ? -1 : 1;
}

async function* statements(owner: pg.Client): AsyncGenerator<string> {
  const { tables, open, close } = await readStoredSchema(owner);
  yield "-- Rows of Omoi's database, dumped before a migration. Load with: psql --single-transaction\n";
  yield "-- --set ON_ERROR_STOP=1, as the owner, into a database freshly created by the older Omoi.\n";
  for (const statement of open) yield `${statement};\n`;
  for (const table of tables) yield* rowsOf(owner, table);
  for (const statement of close) yield `${statement};\n`;
  const { rows: sequences } = await owner.query<{ name: string; last: string | null }>(
    `select format('%I.%I', schemaname, sequencename) as name, last_value::text as last
     from pg_sequences where schemaname = 'public' order by 1`,
  );
  for (const { name, last } of sequences) {
    if (last !== null) yield `select setval('${name}', ${last});\n`;
  }
}

/** Yields the rows as JSON, which PostgreSQL reads back losslessly: numbers and bytes are text in it. */
async function* rowsOf(owner: pg.Client, { name, columns }: StoredTable): AsyncGenerator<string> {
  await owner.query(
    `declare dumped no scroll cursor for select to_jsonb(r)::text as row from (select ${columns} from ${name}) r`,
  );
  for (;;) {
    const { rows } = await owner.query<{ row: string }>(`fetch ${ROWS} from dumped`);
    if (rows.length === 0) break;
    // A random delimiter, which no row can contain.
    const quote = `$r${randomBytes(8).toString("hex")}$`;
    const json = rows.map(({ row }) => row).join(",\n");
    yield `insert into ${name} (${columns}) overriding system value select ${columns} from jsonb_populate_recordset(null::${name}, ${quote}[${json}]${quote});\n`;
  }
  await owner.query("close dumped");
}
