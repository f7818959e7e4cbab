import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { git } from "#git/process/run.js";
import { updateRef } from "#git/store/refs.js";
import { commitTree, createRepository, OMOI, writeBlob } from "#git/store/repository.js";
import { readStoredCommits } from "./stored-commits.js";

let folder: string;
let repo: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "omoi-stored-commits-"));
  repo = join(folder, "repo.git");
  await createRepository(repo, "main");
});
afterAll(() => rm(folder, { recursive: true }));

const commit = async (content: string, parents: string[]) => {
  const blob = await writeBlob(repo, content);
  const { stdout } = await git(["mktree"], {
    gitDir: repo,
    input: `100644 blob ${blob}\tfile.txt\n`,
  });
  const tree = stdout.toString().trim();
  const about = { message: content, author: OMOI, date: new Date() };
  return { blob, sha: await commitTree(repo, { tree, parents, ...about }) };
};
const remove = (oid: string) => rm(join(repo, "objects", oid.slice(0, 2), oid.slice(2)));

test("a commit without a reference counts if it was asked for and all that it needs is there", async () => {
  const first = await commit("first", []);
  const onBranch = await commit("second", [first.sha]);
  await updateRef(repo, "refs/heads/work", onBranch.sha, null);
  const complete = await commit("complete", [onBranch.sha]);
  const unasked = await commit("unasked", [onBranch.sha]);
  const asked = [first.sha, complete.sha, "f".repeat(40)];
  const all = await readStoredCommits(repo, asked);
  expect(all.refs.get("refs/heads/work")).toBe(onBranch.sha);
  const has = [first, onBranch, complete, unasked].map(({ sha }) => all.has(sha));
  expect([...has, all.has("f".repeat(40))]).toEqual([true, true, true, false, false]);
  expect(await all.isAncestor(first.sha, onBranch.sha)).toBe(true);

  const withoutFile = await commit("without its file", [onBranch.sha]);
  await remove(withoutFile.blob);
  const withoutParent = await commit("after it", [(await commit("parent", [first.sha])).sha]);
  const { stdout } = await git(["rev-parse", `${withoutParent.sha}^`], { gitDir: repo });
  await remove(stdout.toString().trim());
  const some = await readStoredCommits(repo, [withoutFile.sha, withoutParent.sha, complete.sha]);
  const kept = [withoutFile, withoutParent, complete].map(({ sha }) => some.has(sha));
  expect(kept).toEqual([false, false, true]);
});
