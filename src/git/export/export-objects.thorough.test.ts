// Thorough: dozens of packs.
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { exportCommits } from "#test/support/git/export-commits.js";
import { git, makeTempFolder } from "#test/support/git/git.js";
import { exportObjects } from "./export-objects.js";

let root: string;
let repoPath: string;
beforeAll(async () => {
  root = await makeTempFolder();
  repoPath = join(root, "repository");
  await git(["init", "--quiet", "--bare", repoPath]);
});
afterAll(() => rm(root, { recursive: true, force: true }));

test("many packs become one, and the former ones stay until the next time", async () => {
  const { commit, contains } = exportCommits(root, repoPath);
  const folder = join(root, "many");
  let made = await exportObjects(repoPath, folder, [await commit("start", null)]);
  const first = made;
  for (let number = 0; made.id === first.id; number += 1) {
    made = await exportObjects(repoPath, folder, [await commit(`more ${number}`, made.tips[0])]);
    expect(number).toBeLessThan(50);
  }
  expect(await readdir(join(made.objects, "pack"))).toHaveLength(2);
  expect(await contains(made.tips[0] as string, made)).toBe(true);
  expect((await readdir(folder)).toSorted()).toEqual(["current", first.id, made.id].toSorted());
});
