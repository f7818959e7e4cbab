import { mkdtemp, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { drizzle } from "drizzle-orm/node-postgres";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { verifyInstallation } from "#server/admin/verify.js";
import type { Queryable } from "#server/db/connection/connect.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { makeProjectAt } from "#test/support/fixtures/project-at.js";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import { clusterEnv } from "#test/support/server/cluster-env.js";
import { removeDataFolder } from "#test/support/server/data-folder.js";
import { folderPlace } from "./backup-place.js";
import { takeBackup } from "./take-backup.js";

let app: TestApp;
let other: TestApp;
let folder: string;
let pool: pg.Pool;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "omoi-backup-of-node-"));
  app = await startTestApp(await clusterEnv("one"));
  other = await app.sibling({ ...(await clusterEnv("two")), OMOI_DATA_DIR: join(folder, "two") });
  const owner = await app.person("owner");
  const org = await makeOrganization(owner);
  for (const node of [app, other]) {
    const api = node.client(owner.token);
    await makeProjectAt(app, String(node.config.nodeName), { api }, org.id, { "a.txt": "a\n" });
  }
  pool = new pg.Pool({ ...app.owner, options: "-c app.system=on -c timezone=UTC" });
});
afterAll(async () => {
  await pool.end();
  await other.close();
  await app.close();
  await removeDataFolder(folder);
});

const projectsOf = ({ db }: TestApp) =>
  queryAsOwner<{ id: string; org_id: string }>(
    app,
    "select id, org_id from projects where home_node = $1",
    [db.node.id],
  );

test("a backup contains the database and the files of its node", async () => {
  for (const [index, node] of [app, other].entries()) {
    const target = join(folder, `backup-${index}`);
    const report = await takeBackup(node.config, pool, folderPlace(target), () => {});
    const own = await projectsOf(node);
    expect(report).toMatchObject({
      repositories: own.length,
      workspaces: 1,
      folders_gone: [],
    });
    const stored = await readdir(join(target, "objects", own[0]?.org_id ?? ""));
    expect(new Set(stored.map((name) => name.slice(0, 36)))).toEqual(
      new Set(own.map(({ id }) => id)),
    );
  }
});

test("a verification is of the repositories and merges of its node", async () => {
  const db = drizzle(pool) as Queryable;
  for (const node of [app, other]) {
    const report = await verifyInstallation({ config: node.config, pool, db });
    const own = await projectsOf(node);
    expect(report.clean).toBe(true);
    expect(report.repositories.map(({ repositories }) => repositories)).toEqual([own.length]);
    expect(report.merges.map(({ merges, skipped }) => [merges, skipped])).toEqual([[1, 1]]);
  }
});
