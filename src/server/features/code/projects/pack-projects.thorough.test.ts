import { randomInt } from "node:crypto";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import { isWorthPacking, packRepository } from "#git/store/pack-repository.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { openCloneFactory, createGitKey } from "#test/support/git/clone.js";
import {
  commitFiles,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
  mergeIntoBase,
} from "#test/support/fixtures/factories.js";
import { gitInRepository, makeTempFolder, repoPathOf } from "#test/support/git/git.js";
import { storageIn } from "../../../data-folder/storage.js";
import { isMerging, withMergeLease } from "../workspaces/merges/merge-lease.js";
import { verifyMerges } from "../workspaces/merges/verify-merges.js";
import { packProject, type PackingOutcome } from "./pack-projects.js";

const log = pino({ level: "silent" });
let app: TestApp;
let owner: TestPerson;
let clones: Awaited<ReturnType<typeof openCloneFactory>>;
beforeAll(async () => {
  app = await startTestApp();
  owner = await app.person("owner");
  clones = await openCloneFactory();
});
afterAll(async () => {
  await clones.dispose();
  await app.close();
});

const depsOf = ({ db, dataDir }: TestApp) => ({ db, storage: storageIn(dataDir), log });
const pack = (project: Project, from: TestApp = app): Promise<PackingOutcome> =>
  packProject(depsOf(from), { id: project.id, org_id: project.organization_id });

async function newProject(): Promise<Project> {
  return makeProjectWith(owner, (await makeOrganization(owner)).id, { "a.txt": "a\n" });
}

/** Returns the output of `git count-objects -v`. */
async function countsOf(project: Project): Promise<Record<string, number>> {
  const text = await gitInRepository(app, project, "count-objects", "-v");
  return Object.fromEntries(
    text.split("\n").map((line) => {
      const [name = "", value] = line.split(": ");
      return [name, Number(value)];
    }),
  );
}

/** Returns all objects of a repository, reachable or not. */
async function objectsOf(project: Project): Promise<Set<string>> {
  const args = ["cat-file", "--batch-all-objects", "--batch-check=%(objectname)"];
  return new Set((await gitInRepository(app, project, ...args)).split("\n"));
}

async function leftoversOf(project: Project): Promise<string[]> {
  const repoPath = repoPathOf(app, project);
  const names = [
    ...(await readdir(join(repoPath, "objects/pack"))),
    ...(await readdir(join(repoPath, "objects/info")).catch(() => [])),
  ];
  return names.filter(
    (name) => !/^pack-[0-9a-f]{40}\.(pack|idx|rev|bitmap)$|^commit-graph$/.test(name),
  );
}

test("checkpoints become one pack with a bitmap and a commit graph, without loss", async () => {
  const project = await newProject();
  const { workspace } = await makeWorkspace(owner, project.id);
  for (let i = 0; i < 30; i += 1) {
    await commitFiles(owner, workspace, { [`src/${i % 5}.txt`]: `${i}\n`.repeat(50) });
  }
  // A preview leaves unreachable objects.
  const config = join(repoPathOf(app, project), "config");
  const unreachable = await gitInRepository(app, project, "hash-object", "-w", config);
  const before = await objectsOf(project);
  expect((await countsOf(project))["count"]).toBeGreaterThan(90);
  expect(await pack(project)).toBe("packed");
  // git packs unreachable loose objects if a pack exists.
  expect(await countsOf(project)).toMatchObject({ count: 1, packs: 1, garbage: 0 });
  const names = await readdir(join(repoPathOf(app, project), "objects/pack"));
  expect(names.some((name) => name.endsWith(".bitmap"))).toBe(true);
  expect(await readdir(join(repoPathOf(app, project), "objects/info"))).toContain("commit-graph");
  expect(await objectsOf(project)).toEqual(before);
  expect(before.has(unreachable)).toBe(true);
  await gitInRepository(app, project, "fsck", "--full", "--strict");
  // Later objects join the pack.
  await commitFiles(owner, workspace, { "b.txt": "b\n" });
  expect(await pack(project)).toBe("packed");
  expect(await countsOf(project)).toMatchObject({ count: 0, packs: 1 });
  await mergeIntoBase(owner, workspace);
  const clone = await clones.clone(project.clone_url, await createGitKey(owner));
  await clone.git("fsck", "--full");
  expect(await clone.git("rev-list", "--count", "origin/main")).toBe("35");
});

test("a repack needs 1000 loose objects, 2% of the packed ones, or ten packs", async () => {
  const repoPath = await makeTempFolder();
  const pretend = async (folder: string, names: string[]): Promise<void> => {
    await rm(join(repoPath, folder), { recursive: true, force: true });
    await mkdir(join(repoPath, folder), { recursive: true });
    for (const name of names) await writeFile(join(repoPath, folder, name), "");
  };
  const loose = (count: number) =>
    Array.from({ length: count }, (_, i) => `${i}`.padStart(38, "0"));
  expect(await isWorthPacking(repoPath)).toBe(false);
  await pretend("objects/17", loose(3));
  expect(await isWorthPacking(repoPath)).toBe(false);
  await pretend("objects/17", loose(4));
  expect(await isWorthPacking(repoPath)).toBe(true);
  await pretend("objects/pack", ["pack-1.idx"]);
  await writeFile(join(repoPath, "objects/pack/pack-1.idx"), Buffer.alloc(28 * 100_000));
  expect(await isWorthPacking(repoPath)).toBe(false);
  await pretend("objects/17", loose(8));
  expect(await isWorthPacking(repoPath)).toBe(true);
  await pretend("objects/17", []);
  await pretend(
    "objects/pack",
    loose(10).map((name) => `pack-${name}.idx`),
  );
  expect(await isWorthPacking(repoPath)).toBe(true);
  await rm(repoPath, { recursive: true });
});

test("no repack runs during a merge or twice at a time", async () => {
  const project = await newProject();
  const { agent } = await makeWorkspace(owner, project.id);
  const merging = { orgId: project.organization_id, agentId: agent.id };
  const outcome = await withMergeLease(app.db, merging, async () => {
    // A merge is marked when it takes long.
    await expect.poll(() => isMerging(app.db, merging.orgId, project.id)).toBe(true);
    return pack(project);
  });
  expect(outcome).toBe("merging");
  expect((await countsOf(project))["packs"]).toBe(0);
  expect(await leftoversOf(project)).toEqual([]);
  const outcomes = await Promise.all([pack(project), pack(project), pack(project)]);
  expect(outcomes).toContain("packed");
  expect(outcomes).toContain("locked");
});

test("a repack killed at any moment leaves nothing behind and loses nothing", async () => {
  const project = await newProject();
  const { workspace } = await makeWorkspace(owner, project.id);
  const repoPath = repoPathOf(app, project);
  for (let i = 0; i < 10; i += 1) await commitFiles(owner, workspace, { [`${i}.txt`]: `${i}\n` });
  const before = await objectsOf(project);
  for (let round = 0; round < 30; round += 1) {
    await commitFiles(owner, workspace, { "n.txt": `${round}\n` });
    await packRepository(repoPath, AbortSignal.timeout(1 + round * 9)).catch(() => {});
    expect(await leftoversOf(project)).toEqual([]);
    const after = await objectsOf(project);
    expect([...before].filter((id) => !after.has(id))).toEqual([]);
  }
  await gitInRepository(app, project, "fsck", "--full", "--strict");
  // The next repack removes the leftovers of a power loss.
  for (const name of ["pack/tmp_pack_aB3", "pack/.tmp-17-pack-aa.pack", "info/commit-graph.lock"]) {
    await mkdir(join(repoPath, "objects", name, ".."), { recursive: true });
    await writeFile(join(repoPath, "objects", name), "rest");
  }
  expect(await pack(project)).toBe("packed");
  expect(await leftoversOf(project)).toEqual([]);
});

test("commits, merges, pushes and clones continue during repeated repacks", async () => {
  const sibling = await app.sibling();
  const project = await newProject();
  const url = project.clone_url;
  const key = await createGitKey(owner);
  const made: string[] = [];
  const over = new AbortController();
  let packed = 0;
  const commits = 20;
  const packing = async (from: TestApp): Promise<void> => {
    while (!over.signal.aborted) {
      if ((await pack(project, from)) === "packed") packed += 1;
      await pause(randomInt(30));
    }
  };
  const committing = async (name: string): Promise<void> => {
    const { workspace } = await makeWorkspace(owner, project.id);
    for (let i = 0; i < commits; i += 1) {
      const files = { [`${name}/${i}.txt`]: `${i}\n` };
      made.push((await commitFiles(owner, workspace, files)).commit_sha);
      if (i % 2 === 0) {
        const merge = await mergeIntoBase(owner, workspace);
        if (merge.merge_commit_sha !== null) made.push(merge.merge_commit_sha);
      }
    }
  };
  const pushing = async (): Promise<void> => {
    const clone = await clones.clone(url, key);
    for (let i = 0; i < commits; i += 1) {
      made.push(await clone.commit({ [`pushed/${i}.txt`]: `${i}\n` }));
      const { code, stderr } = await clone.push(`HEAD:refs/heads/topic-${i}`);
      expect([code, stderr]).toEqual([0, expect.anything()]);
    }
  };
  const cloningOn = async (): Promise<void> => {
    for (let i = 0; i < commits; i += 1) {
      const clone = await clones.clone(url, key);
      await clone.git("fsck", "--connectivity-only");
      await rm(clone.folder, { recursive: true });
    }
  };
  const both = [packing(app), packing(sibling)];
  try {
    await Promise.all([committing("one"), committing("two"), pushing(), cloningOn()]);
  } finally {
    over.abort();
    await Promise.all(both);
  }
  expect(packed).toBeGreaterThan(0);
  expect(await pack(project)).toBe("packed");
  const objects = await objectsOf(project);
  expect(made.filter((id) => !objects.has(id))).toEqual([]);
  await gitInRepository(app, project, "fsck", "--full", "--strict");
  const reports = await app.db.withSystem("check merges", (tx) =>
    verifyMerges(tx, storageIn(app.dataDir), app.db.node.id),
  );
  expect(reports.flatMap(({ faults }) => faults)).toEqual([]);
  expect(await leftoversOf(project)).toEqual([]);
  await sibling.close();
}, 240_000);
