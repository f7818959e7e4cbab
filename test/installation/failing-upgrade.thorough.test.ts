import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { databaseUrlOf } from "../support/database/queries.js";
import { createTestDatabase } from "../support/server/app.js";
import { root } from "../support/server/built-files.js";
import { removeDataFolder } from "../support/server/data-folder.js";
import { makeVersion } from "../support/server/newer-version.js";
import { startServer, type ProcessExit } from "../support/server/server-process.js";

let folder: string;
let dataDir: string;
let env: Record<string, string>;

const start = (place: string) => startServer(env, [], [], { root: place });

/** Starts a version that serves, and stops it. */
async function serve(place: string): Promise<void> {
  const server = start(place);
  await server.ready;
  server.process.kill("SIGTERM");
  expect((await server.ended).code).toBe(0);
}

async function fail(place: string): Promise<ProcessExit> {
  const server = start(place);
  await expect(server.ready).rejects.toThrow();
  return server.ended;
}

const dumps = async (): Promise<string[]> =>
  (await readdir(join(dataDir, "dumps"))).filter((name) => name.endsWith(".gz")).toSorted();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "omoi-versions-"));
  dataDir = await mkdtemp(join(tmpdir(), "omoi-data-"));
  const { owner, secret } = await createTestDatabase();
  env = {
    OMOI_DATABASE_URL: databaseUrlOf({ owner }),
    OMOI_SECRET: secret,
    OMOI_DATA_DIR: dataDir,
  };
});
afterAll(async () => {
  await removeDataFolder(dataDir);
  await rm(folder, { recursive: true, force: true });
});

test("an upgrade that fails again and again keeps the dump of the version that served", async () => {
  await serve(root);
  const table = { "9990_table.sql": "create table newer (id int)" };
  const broken = await makeVersion(folder, "broken", {
    ...table,
    "9991_broken.sql": "select 1;\nselect missing from newer",
  });
  for (let count = 0; count < 5; count += 1) {
    const { code, stderr } = await fail(broken);
    expect(code).toBe(1);
    const lines = stderr.split("\n").filter((line) => line.startsWith("omoi: "));
    expect(lines).toEqual([
      expect.stringMatching(
        /^omoi: The migration 9991_broken\.sql failed: .*missing.* \(42703\)\./,
      ),
    ]);
    expect(stderr).not.toContain("    at ");
  }
  const first = await dumps();
  expect(first).toEqual([expect.stringMatching(/^before-9990_table-/)]);

  // The next version fails later.
  const better = { ...table, "9991_broken.sql": "select 1" };
  const later = await makeVersion(folder, "later", { ...better, "9992_later.sql": "select 1 / 0" });
  for (let count = 0; count < 4; count += 1) {
    expect((await fail(later)).stderr).toContain("9992_later.sql failed: division by zero");
  }
  expect(await dumps()).toEqual(first);

  const mended = { ...better, "9992_later.sql": "select 1" };
  await serve(await makeVersion(folder, "mended", mended));
  expect(await dumps()).toEqual(first);

  // It has served, so its rows are dumped before the next migration.
  await serve(await makeVersion(folder, "next", { ...mended, "9993_next.sql": "select 1" }));
  expect(await dumps()).toEqual([...first, expect.stringMatching(/^before-9993_next-/)]);
});
