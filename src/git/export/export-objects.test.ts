import { chmod, mkdir, readdir, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { exportCommits } from "#test/support/git/export-commits.js";
import { git, makeTempFolder } from "#test/support/git/git.js";
import { exportObjects, type ObjectExport } from "./export-objects.js";

let root: string;
let repoPath: string;
const made: string[] = [];
let commit: ReturnType<typeof exportCommits>["commit"];
let contains: ReturnType<typeof exportCommits>["contains"];

beforeAll(async () => {
  root = await makeTempFolder();
  repoPath = join(root, "repository");
  await git(["init", "--quiet", "--bare", repoPath]);
  ({ commit, contains } = exportCommits(root, repoPath));
});
afterAll(() => rm(root, { recursive: true, force: true }));

test("an export grows by packs of new objects, and holds no others", async () => {
  const folder = join(root, "base");
  for (const text of ["one", "two"]) made.push(await commit(text, made.at(-1)));
  const [one, two] = made as [string, string];
  const other = await commit("another branch", one);
  const first = await exportObjects(repoPath, folder, [one]);
  expect(await contains(one, first)).toBe(true);
  expect(await contains(two, first)).toBe(false);
  const second = await exportObjects(repoPath, folder, [two]);
  expect(second).toMatchObject({ id: first.id, objects: first.objects, tips: [two] });
  expect(await contains(two, second)).toBe(true);
  expect(await contains(other, second)).toBe(false);
  const packs = async () => (await readdir(join(second.objects, "pack"))).toSorted();
  expect(await packs()).toHaveLength(4);
  const before = await packs();
  expect(await exportObjects(repoPath, folder, [two])).toEqual(second);
  expect(await packs()).toEqual(before);
  // Only the objects: no leftovers of the work.
  expect(await readdir(second.objects)).toEqual(["pack"]);

  // Objects of another export are borrowed.
  const own = await exportObjects(repoPath, join(root, "own"), [other, two], second);
  expect(await contains(other, own)).toBe(false);
  expect(await contains(other, own, second)).toBe(true);
});

test("a missing, cut or unreadable export is built again", async () => {
  const folder = join(root, "damaged");
  const tip = made.at(-1) as string;
  const damages: ((whole: ObjectExport) => Promise<unknown>)[] = [
    ({ objects }) => rm(objects, { recursive: true }),
    async ({ objects }) => {
      const names = await readdir(join(objects, "pack"));
      const pack = join(objects, "pack", names.find((name) => name.endsWith(".pack")) as string);
      await chmod(pack, 0o644);
      await truncate(pack, 20);
    },
    () => writeFile(join(folder, "current"), "{"),
    () => writeFile(join(folder, "current"), JSON.stringify({ id: "..", tips: "x", packs: [] })),
    () => rm(folder, { recursive: true }),
  ];
  for (const damage of damages) {
    await damage(await exportObjects(repoPath, folder, [tip]));
    expect(await contains(tip, await exportObjects(repoPath, folder, [tip]))).toBe(true);
  }
});

test("the remains of an interrupted export are removed later", async () => {
  const folder = join(root, "interrupted");
  const first = await exportObjects(repoPath, folder, [await commit("before", null)]);
  const remains = [join(folder, "current.1"), join(first.objects, "creating-1")];
  for (const path of remains) await mkdir(path);
  const second = await exportObjects(repoPath, folder, [await commit("during", first.tips[0])]);
  expect(await readdir(second.objects)).toContain("creating-1");
  const longAgo = new Date(Date.now() - 3 * 60 * 60_000);
  for (const path of remains) await utimes(path, longAgo, longAgo);
  await exportObjects(repoPath, folder, [await commit("after", second.tips[0])]);
  expect((await readdir(folder)).toSorted()).toEqual(["current", first.id].toSorted());
  expect(await readdir(second.objects)).toEqual(["pack"]);
});

test("concurrent exports of one folder agree", async () => {
  const folder = join(root, "concurrent");
  const tips: string[] = [];
  for (const text of ["a", "b", "c"]) tips.push(await commit(text, tips.at(-1) ?? null));
  const all = await Promise.all(tips.map((tip) => exportObjects(repoPath, folder, [tip])));
  expect(new Set(all.map(({ id }) => id)).size).toBe(1);
  for (const tip of tips) expect(await contains(tip, all[0] as ObjectExport)).toBe(true);
});

test("objects that were rewritten out of the history leave the export", async () => {
  const folder = join(root, "rewritten");
  const start = await commit("before the secret", null);
  const [secret, clean] = [await commit("a secret", start), await commit("no secret", start)];
  const first = await exportObjects(repoPath, folder, [secret]);
  const second = await exportObjects(repoPath, folder, [clean]);
  expect(second.id).not.toBe(first.id);
  expect(await objectsIn(second)).toContain(clean);
  expect(await objectsIn(second)).not.toContain(secret);

  // Nor do those of a branch that is no longer exported.
  const both = await exportObjects(repoPath, join(root, "two"), [clean, secret]);
  expect(await objectsIn(both)).toContain(secret);
  const one = await exportObjects(repoPath, join(root, "two"), [clean]);
  expect(await objectsIn(one)).not.toContain(secret);
});

/** The ids of all objects in an export. */
async function objectsIn({ objects }: ObjectExport): Promise<string> {
  const empty = join(root, "empty");
  await git(["init", "--quiet", "--bare", empty]);
  await writeFile(join(empty, "objects/info/alternates"), `${objects}\n`);
  return git(["-C", empty, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)"]);
}

test("an export whose folder is not readable by others is built again", async () => {
  const folder = join(root, "closed");
  const only = await commit("closed", null);
  const first = await exportObjects(repoPath, folder, [only]);
  expect((await stat(first.objects)).mode & 0o777).toBe(0o755);
  await chmod(first.objects, 0o700);
  const again = await exportObjects(repoPath, folder, [only]);
  expect(again.id).not.toBe(first.id);
  expect((await stat(again.objects)).mode & 0o777).toBe(0o755);
});
