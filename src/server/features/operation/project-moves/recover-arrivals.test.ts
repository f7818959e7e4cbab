import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { exists } from "#git/files/atomic-directory.js";
import { storageIn } from "#server/data-folder/storage.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { makeOrganization } from "#test/support/fixtures/factories.js";
import { gitInRepository } from "#test/support/git/git.js";
import type { TestApp, TestPerson } from "#test/support/server/app.js";
import { startCluster, type TestCluster } from "#test/support/server/cluster.js";
import { adoptedFolder, adoptionLock, arrivals, moveParts } from "./project-files.js";
import { recoverArrivals } from "./recover-arrivals.js";

let cluster: TestCluster;
let one: TestApp;
let two: TestApp;
let root: TestPerson;
let orgId: string;
beforeAll(async () => {
  cluster = await startCluster(["one", "two"]);
  [one, two] = cluster.nodes as [TestApp, TestApp];
  root = await one.person("root");
  orgId = (await makeOrganization(root)).id;
});
afterAll(() => cluster.close());

/** A row of a move to the first node that has ended. */
const makeMove = async (projectId: string, state: string): Promise<string> => {
  const [row] = await queryAsOwner<{ id: string }>(
    one,
    `insert into project_moves (project_id, id, from_node, to_node, state, finished_at)
      select $1, gen_random_uuid(), f.id, t.id, $2, now() from nodes f, nodes t
      where f.name = 'two' and t.name = 'one' returning id`,
    [projectId, state],
  );
  return String(row?.id);
};

test("files of a move that were not in place after a power failure are put there, and others removed", async () => {
  const project = await cluster.projectOn(one, root, orgId);
  const other = await cluster.projectOn(two, root, orgId);
  const { dataDir } = one;
  const repository = storageIn(dataDir).repository(orgId, project.id);
  const folder = join(arrivals(dataDir), await makeMove(project.id, "cleaning"));
  const below = join(folder, repository.slice(dataDir.length));
  await mkdir(dirname(below), { recursive: true });
  await rename(repository, below);
  // In place, but the process ended before it removed them again.
  await mkdir(storageIn(dataDir).repository(orgId, other.id));
  const left = join(arrivals(dataDir), await makeMove(other.id, "failed"));
  await mkdir(join(left, "repositories", orgId, `${other.id}.git`), { recursive: true });
  await writeFile(join(left, "repositories", orgId, `${other.id}.git`, "HEAD"), "x");

  await recoverArrivals({ db: one.db, dataDir });
  expect(await readdir(arrivals(dataDir))).toEqual([]);
  await gitInRepository(one, project, "fsck");
  expect(await exists(storageIn(dataDir).repository(orgId, other.id))).toBe(false);
  await rm(arrivals(dataDir), { recursive: true });
});

test("files of projects that are being taken over stay", async () => {
  const { dataDir, db } = one;
  const project = await cluster.projectOn(two, root, orgId);
  const folder = adoptedFolder(dataDir, project.id);
  await mkdir(folder, { recursive: true });
  await db.tryLock(adoptionLock(db.node.id), () => recoverArrivals({ db, dataDir }));
  expect(await exists(folder)).toBe(true);
  await recoverArrivals({ db, dataDir });
  expect(await exists(folder)).toBe(false);
});

test("parts of which one is missing replace nothing", async () => {
  const { dataDir } = one;
  const [from, to] = [join(dataDir, "moving/from"), join(dataDir, "moving/to")];
  await mkdir(join(from, "a"), { recursive: true });
  await mkdir(join(to, "a/kept"), { recursive: true });
  await expect(moveParts(from, to, ["a", "b"])).rejects.toThrow("b is missing");
  expect(await exists(join(to, "a/kept"))).toBe(true);
});
