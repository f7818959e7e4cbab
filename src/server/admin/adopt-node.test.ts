import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { drizzle } from "drizzle-orm/node-postgres";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemOrigin } from "#server/db/audit/audit.js";
import type { Queryable } from "#server/db/connection/connect.js";
import { systemChange } from "#server/db/connection/system-change.js";
import { createTryLock } from "#server/db/locks/locks.js";
import { storageIn } from "#server/data-folder/storage.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import {
  commitFiles,
  makeOrganization,
  makeWorkspace,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { makeProjectAt } from "#test/support/fixtures/project-at.js";
import { gitInRepository } from "#test/support/git/git.js";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import { clusterEnv } from "#test/support/server/cluster-env.js";
import { homeOf } from "#test/support/server/cluster.js";
import { removeDataFolder } from "#test/support/server/data-folder.js";
import { adoptFolder, removeNode } from "./adopt-node.js";

let folder: string;
let one: TestApp;
let two: TestApp;
let pool: pg.Pool;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "omoi-adopted-"));
  one = await startTestApp(await clusterEnv("one"));
  two = await one.sibling({ OMOI_DATA_DIR: folder, ...(await clusterEnv("two")) });
  pool = new pg.Pool({ ...one.owner, options: "-c app.system=on -c timezone=UTC" });
});
afterAll(async () => {
  await pool.end();
  await one.close();
  await removeDataFolder(folder);
});

const context = () => ({
  origin: { actor: { operator: "root" }, ip: null, requestId: null },
  change: async <Result>(work: Parameters<typeof systemChange<Result>>[2]) => {
    await onChange();
    return systemChange(pool, systemOrigin, work);
  },
});
const adopt = (name: string, folder: string) =>
  adoptFolder(
    {
      db: drizzle(pool) as Queryable,
      tryLock: createTryLock(pool),
      context: context(),
      dataDir: one.dataDir,
      log: () => {},
    },
    name,
    folder,
  );
/** Called before each change. */
let onChange: () => Promise<void> = async () => {};

test("the projects of a server that is gone are taken over from its folder, which never writes again", async () => {
  const owner = await one.person("owner");
  const org = await makeOrganization(owner);
  const there = { ...owner, api: two.client(owner.token) };
  const project = await makeProjectAt(one, "two", there, org.id, { "a.txt": "a\n" });
  const { workspace } = await makeWorkspace(there, project.id);
  const { commit_sha } = await commitFiles(there, workspace, { "b.txt": "b\n" });
  await writeFiles(workspace, { "unsaved.txt": "unsaved\n" });

  const other = await makeProjectAt(one, "two", there, org.id, { "a.txt": "a\n" });

  await expect(adopt("two", two.dataDir)).rejects.toThrow("holds its lease");
  await expect(removeNode(context(), "two")).rejects.toThrow("holds its lease");
  await expect(adopt("one", two.dataDir)).rejects.toThrow("is this server");
  await expect(adopt("three", two.dataDir)).rejects.toThrow("no server three");
  // Neither has a repository: an import that failed, and a project that is deleted.
  const failed = await makeProjectAt(one, "two", there, org.id);
  const deleted = await makeProjectAt(one, "two", there, org.id);
  await two.close();
  for (const { id } of [failed, deleted]) {
    await rm(storageIn(two.dataDir).repository(org.id, id), { recursive: true });
  }
  await queryAsOwner(one, "update projects set status = 'failed' where id = $1", [failed.id]);
  await queryAsOwner(one, "update projects set deleted_at = now() where id = $1", [deleted.id]);
  await queryAsOwner(one, "update nodes set lease_until = now() where name = 'two'");
  await expect(adopt("two", one.dataDir)).rejects.toThrow("of another server");
  await expect(removeNode(context(), "two")).rejects.toThrow("has 2 projects");

  // Another adoption at the same time would put its copy over files that are in use.
  const second: Promise<unknown>[] = [];
  onChange = async () => {
    if (second.length === 0) second.push(adopt("two", two.dataDir));
    else {
      await queryAsOwner(
        one,
        "update projects set home_node = (select id from nodes where name = 'one') where id = $1",
        [other.id],
      );
    }
    await Promise.allSettled(second);
  };
  const report = await adopt("two", two.dataDir);
  onChange = async () => {};
  await expect(second[0]).rejects.toThrow("takes over projects already");
  expect(report.projects.map(({ id }) => id)).toEqual([project.id]);
  expect(report.missing).toEqual([]);
  for (const taken of [project, failed, deleted]) expect(await homeOf(one, taken)).toBe("one");
  // This one got another home meanwhile, and nothing was put in its place.
  expect(existsSync(storageIn(one.dataDir).repository(org.id, other.id))).toBe(false);
  // Again, nothing is left to do.
  expect((await adopt("two", two.dataDir)).projects).toEqual([]);

  const workspaceFolder = storageIn(one.dataDir).workspace(org.id, workspace.agent_name);
  const params = { agent_id: workspace.agent_id };
  const { data: saved } = await owner.api.workspaces.createCommit({
    params,
    body: { commit_type: "manual" },
  });
  expect(await readFile(join(workspaceFolder, "unsaved.txt"), "utf8")).toBe("unsaved\n");
  const commits = await gitInRepository(one, project, "rev-list", workspace.branch_name);
  expect(commits).toContain(commit_sha);
  expect(commits).toContain(saved.commit_sha);

  const again = one.sibling({ OMOI_DATA_DIR: two.dataDir, ...(await clusterEnv("two")) });
  await expect(again).rejects.toThrow("The server one has taken over the projects");
  // What has no repository to keep does not hold its removal up.
  await queryAsOwner(
    one,
    "update projects set home_node = (select id from nodes where name = 'two') where id = $1",
    [failed.id],
  );
  expect(await removeNode(context(), "two")).toMatchObject({ name: "two" });
  expect(await homeOf(one, failed)).toBe("one");
  expect(await queryAsOwner(one, "select name from nodes")).toEqual([{ name: "one" }]);
  const removed = one.sibling({ OMOI_DATA_DIR: two.dataDir, ...(await clusterEnv("two")) });
  await expect(removed).rejects.toThrow("belongs to another database");
  const events = await queryAsOwner<{ action: string }>(
    one,
    "select action from installation_events order by sequence",
  );
  expect(events.map(({ action }) => action)).toEqual(["node.adopted", "node.removed"]);
});
