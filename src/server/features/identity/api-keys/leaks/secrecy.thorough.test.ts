// Thorough: searches all files of the database cluster.
import { randomUUID } from "node:crypto";
import { readdir, readFile, readlink } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { expect, test } from "vitest";
import { queryAsAdmin } from "#test/support/database/queries.js";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { waitForMailQueue } from "#test/support/mail/outbox.js";

/** Returns the files that contain a text as raw bytes. */
async function filesWith(files: readonly string[], ...texts: string[]): Promise<string[]> {
  const found: string[] = [];
  for (const file of files) {
    // Files of a running database may disappear.
    const bytes = await readFile(file).catch(() => Buffer.alloc(0));
    if (texts.some((text) => bytes.includes(text))) found.push(file);
  }
  return found;
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
}

async function ask<Row extends object>(app: TestApp, query: string): Promise<Row> {
  const [row] = await queryAsAdmin<Row>(app, query);
  if (row === undefined) throw new Error(`no answer to: ${query}`);
  return row;
}

/** Returns the cluster's folder; an external one must be asked. */
async function clusterFolder(app: TestApp): Promise<string> {
  const { folder, pid } = await ask<{ folder: string; pid: number }>(
    app,
    `select current_setting('data_directory') as folder,
       (select pid from pg_stat_activity where backend_type = 'checkpointer') as pid`,
  );
  return folder === "/proc/self/cwd" ? readlink(`/proc/${pid}/cwd`) : folder;
}

const walFile = async (app: TestApp) =>
  (await ask<{ name: string }>(app, "select pg_walfile_name(pg_current_wal_lsn()) as name")).name;

/** Returns all files of the cluster except other tests' databases and older write-ahead logs. */
async function databaseFiles(app: TestApp, since: string): Promise<string[]> {
  const folder = await clusterFolder(app);
  const { oid } = await ask<{ oid: number }>(
    app,
    "select oid::int from pg_database where datname = current_database()",
  );
  return (await filesBelow(folder)).filter((file) => {
    const [part, name = ""] = relative(folder, file).split(sep);
    return part === "base" ? name === String(oid) : part !== "pg_wal" || name >= since;
  });
}

test("a key's secret is in no file: database, write-ahead log, stored response or email", async () => {
  const app = await startTestApp();
  const since = await walFile(app);
  const owner = await app.person("owner");
  const org = await makeOrganization(owner);
  const headers = { "idempotency-key": randomUUID() };
  const { data: made } = await owner.api.apiKeys.create(
    { body: { name: "a name that is found", organization_id: org.id } },
    { headers },
  );
  const { data: rotated } = await owner.api.apiKeys.rotate(
    { params: { key_id: made.id } },
    { headers: { "idempotency-key": randomUUID() } },
  );
  for (const { key } of [made, rotated]) {
    await owner.api.apiKeys.verify({ body: { key: key as string } });
  }
  await app.client(rotated.key as string).organizations.list();
  await owner.api.apiKeys.usage({ params: { key_id: rotated.id } });
  await app.client().apiKeys.revokeLeaked({ body: { key: rotated.key as string } });
  await waitForMailQueue(app);
  await queryAsAdmin(app, "checkpoint");
  const database = await databaseFiles(app, since);
  const secrets = [made, rotated].map(({ key }) => (key as string).slice(14, -6));
  expect(await filesWith(database, ...secrets)).toEqual([]);
  expect(await filesWith(await filesBelow(app.dataDir), ...secrets)).toEqual([]);
  // The search itself works: it finds a known text in a table and in the write-ahead log.
  const found = await filesWith(database, "a name that is found");
  expect(found.some((file) => file.includes(`${sep}base${sep}`))).toBe(true);
  expect(found.some((file) => file.includes(`${sep}pg_wal${sep}`))).toBe(true);
  await app.close();
});
