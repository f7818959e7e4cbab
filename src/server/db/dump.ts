/** A SQL dump of all rows, written before a migration. */
import { randomBytes, randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import type pg from "pg";
import { ConfigError } from "#shared/node/config-error.js";
import { isNoSpace } from "#shared/node/no-space.js";
import { readStoredSchema, type StoredTable } from "./tables/stored-tables.js";

/** Number of dumps to keep. */
const KEPT = 3;
/** Rows per insert statement. */
const ROWS = 200;
const NAME = /^before-.*\.sql\.gz$/;

/** Returns the path of a new dump, named by a migration and the time. */
export function dumpPath(folder: string, when: "before" | "after", migration: string): string {
  const time = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, "");
  return join(folder, `${when}-${migration.replace(/\.sql$/, "")}-${time}.sql.gz`);
}

/** Returns the migration before which a dump was made; null for other files. */
export function dumpedBefore(path: string): string | null {
  const name = /^before-(.*)-\d{8}T\d{6}Z\.sql\.gz$/.exec(basename(path))?.[1];
  return name === undefined ? null : `${name}.sql`;
}

/** The file with the last migration of the schema that a server served. */
const SERVED = "last-served";

/**
 * Records that a server serves the schema. Its rows are then worth a dump before the next migration.
 * @param migration the last one of the schema
 */
export async function recordServed(folder: string, migration: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  // Servers that share the folder may start at the same time.
  const partial = join(folder, `${SERVED}.${randomUUID()}.partial`);
  await writeFile(partial, `${migration}\n`, { mode: 0o600, flush: true });
  await rename(partial, join(folder, SERVED));
}

/**
 * Writes all rows into `before-<migration>-<time>.sql.gz` in the folder and deletes all but the newest
 * three dumps. `psql` loads the file as the database's owner into a freshly created database of the
 * same version, replacing all rows. A schema that no server has served, such as one of an upgrade that
 * failed, is not dumped: no earlier version loads it, and its dump would replace one that can be loaded.
 * @param last the last migration of the schema; @param next the first one to come
 * @param owner must have no open transaction
 * @returns the path; null without a dump
 * @throws ConfigError when the disk is full
 */
export async function dumpBeforeMigration(
  { last, next }: { last: string; next: string },
  owner: pg.Client,
  folder: string,
): Promise<string | null> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  // Versions before 0.3 have no such file.
  const served = (await readFile(join(folder, SERVED), "utf8").catch(() => last)).trim();
  if (served < last) return null;
  await recordServed(folder, last);
  const path = dumpPath(folder, "before", next);
  await removeOthers(folder, KEPT - 1);
  await writeDump(owner, path);
  return path;
}

/**
 * Writes all rows into a file that appears when it is complete.
 * @param owner must have no open transaction
 * @throws ConfigError when the disk is full
 */
export async function writeDump(owner: pg.Client, path: string): Promise<void> {
  const partial = `${path}.partial`;
  try {
    await owner.query("begin isolation level repeatable read read only");
    const file = createWriteStream(partial, { mode: 0o600, flush: true });
    await pipeline(Readable.from(statements(owner)), createGzip({ level: 1 }), file);
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    if (!isNoSpace(error)) throw error;
    throw new ConfigError(
      `The database cannot be dumped because the disk of ${dirname(path)} is full; free some space and try again`,
    );
  } finally {
    await owner.query("rollback");
  }
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
function byTime(a: string, b: string): number {
  const [first, second] = [a, b].map((name) => name.slice(-"20260101T000000Z.sql.gz".length));
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

/**
 * Executes the statements of a dump in the transaction of a connection. Its rows are lines of JSON, which never end with
 * a semicolon.
 */
export async function loadDump(owner: pg.ClientBase, path: string): Promise<void> {
  let statement = "";
  const file = createReadStream(path).pipe(createGunzip());
  for await (const line of createInterface({ input: file, crlfDelay: Infinity })) {
    statement += `${line}\n`;
    if (!line.endsWith(";")) continue;
    await owner.query(statement);
    statement = "";
  }
}
