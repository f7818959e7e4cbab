import { createReadStream } from "node:fs";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { createGunzip } from "node:zlib";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, startTestApp, type TestApp } from "#test/support/server/app.js";
import {
  commitFiles,
  makeOrganization,
  makeProject,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { dumpBeforeMigration, recordServed } from "./dump.js";

let app: TestApp;
let folder: string;
beforeAll(async () => {
  app = await startTestApp();
  folder = await mkdtemp(join(tmpdir(), "omoi-dumps-"));
  const owner = await app.person();
  const project = await makeProject(owner, (await makeOrganization(owner)).id);
  const { workspace } = await makeWorkspace(owner, project.id);
  await commitFiles(owner, workspace, { "a.txt": "a\n" });
  await owner.api.apiKeys.create({ body: { name: "Zoë $r$ 'key' \\ $$", scopes: ["*:*"] } });
  // A database is migrated while no server runs.
  await app.close();
});
afterAll(() => rm(folder, { recursive: true }));

async function asOwner<Result>(
  owner: pg.ClientConfig,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = new pg.Client({ ...owner, options: "-c timezone=UTC -c app.system=on" });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** All rows of all tables but the queue's, which keeps changing. */
async function rowsOf(client: pg.Client): Promise<Record<string, string[]>> {
  const { rows: tables } = await client.query<{ name: string }>(
    "select relname as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1",
  );
  const all: Record<string, string[]> = {};
  for (const { name } of tables) {
    if (name === "schema_migrations") continue;
    const { rows } = await client.query<{ row: string }>(
      `select t::text as row from "${name}" t order by 1`,
    );
    all[name] = rows.map(({ row }) => row);
  }
  return all;
}

test("a dump contains all rows and loads into an empty database of the same version", async () => {
  const { path, before } = await asOwner(app.owner, async (client) => ({
    before: await rowsOf(client),
    path: await dumpBeforeMigration(
      { last: "0098_last.sql", next: "0099_next.sql" },
      client,
      folder,
    ),
  }));
  expect(Object.values(before).flat().length).toBeGreaterThan(20);
  const sql = await text(createReadStream(path ?? "").pipe(createGunzip()));
  const empty = await createTestDatabase();
  await asOwner(empty.owner, async (client) => {
    await client.query(`begin;\n${sql}\ncommit;`);
    const after = await rowsOf(client);
    expect(after).toEqual(before);
    // Sequences continue.
    const { rows } = await client.query<{ next: string; last: string }>(
      "select nextval(pg_get_serial_sequence('received_commits', 'sequence')) as next, max(sequence) as last from received_commits",
    );
    expect(Number(rows[0]?.next)).toBeGreaterThan(Number(rows[0]?.last));
    const { rows: keys } = await client.query(
      "select from pg_constraint where contype = 'f' and connamespace = 'public'::regnamespace",
    );
    expect(keys.length).toBeGreaterThan(10);
  });
});

test("keeps the newest three dumps and deletes interrupted ones", async () => {
  await writeFile(join(folder, "before-0098_x-20200101T000000Z.sql.gz.partial"), "");
  for (const day of ["01", "02", "03", "04"]) {
    await writeFile(join(folder, `before-0090_x-202001${day}T000000Z.sql.gz`), "");
  }
  await writeFile(join(folder, "other.txt"), "stays");
  for (const name of await readdir(folder)) {
    if (name.startsWith("before-0099")) await rm(join(folder, name));
  }
  const path = await asOwner(app.owner, (client) =>
    dumpBeforeMigration({ last: "0098_last.sql", next: "0010_first.sql" }, client, folder),
  );
  const names = await readdir(folder);
  // The newest is the dump just made.
  expect(names).toHaveLength(5);
  expect(names).toContain("last-served");
  expect(names).toContain("other.txt");
  expect(names.filter((name) => name.startsWith("before-0090_")).toSorted()).toEqual([
    "before-0090_x-20200103T000000Z.sql.gz",
    "before-0090_x-20200104T000000Z.sql.gz",
  ]);
  expect(names.map((name) => join(folder, name))).toContain(path);
});

test("a failed dump leaves no file", async () => {
  await asOwner(app.owner, async (client) => {
    const file = join(folder, "other.txt");
    const names = { last: "0098_last.sql", next: "0099_next.sql" };
    await expect(dumpBeforeMigration(names, client, join(file, "x"))).rejects.toThrow(/ENOTDIR/);
    // The connection stays usable.
    await client.query("select 1");
  });
  expect((await readdir(folder)).filter((name) => name.endsWith(".partial"))).toEqual([]);
});

test("servers that share a folder record at the same time what they serve", async () => {
  const shared = await mkdtemp(join(tmpdir(), "omoi-served-"));
  const servers = Array.from({ length: 20 }, () => recordServed(shared, "0098_last.sql"));
  await Promise.all(servers);
  expect(await readdir(shared)).toEqual(["last-served"]);
  await rm(shared, { recursive: true });
});
