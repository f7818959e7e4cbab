import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { patchTree } from "./patch-tree.js";
import { EMPTY_TREE, git } from "../process/run.js";
import { commitFiles, testRepository, type Files } from "#test/support/git/test-repository.js";
import { rounds } from "#test/support/thorough.js";
import { listTree, TreeReader, type TreeEntry } from "./tree-reader.js";

let repoPath = "";
let dispose = async (): Promise<void> => undefined;

beforeAll(async () => {
  ({ repoPath, dispose } = await testRepository());
});
afterAll(() => dispose());

async function treeOf(files: Files): Promise<string> {
  const commit = await commitFiles(repoPath, [], files);
  const { stdout } = await git(["rev-parse", `${commit}^{tree}`], { gitDir: repoPath });
  return stdout.toString().trim();
}

async function patch(tree: string, edits: [string, TreeEntry | null][]): Promise<string> {
  return patchTree(repoPath, tree, new Map(edits), new TreeReader(repoPath));
}

/** Names that sort differently as files and as folders. */
const name = fc.constantFrom("a", "a.b", "a-b", "a/x", "a/y/z", "a/y.z", "b", "b/c/d/e", "é", "z");

it("gives the tree that git itself builds from the same files", async () => {
  const tree = fc.uniqueArray(name, { maxLength: 8 }).map((names) => {
    const kept = names.filter((name) => !names.some((item) => item.startsWith(`${name}/`)));
    return Object.fromEntries(kept.map((name) => [name, name.length % 2 === 0 ? name : "same"]));
  });
  await fc.assert(
    fc.asyncProperty(tree, tree, async (before, after) => {
      const [from, to] = [await treeOf(before), await treeOf(after)];
      const [old, wanted] = [await listTree(repoPath, from), await listTree(repoPath, to)];
      const removed = [...old.keys()].map((path): [string, null] => [path, null]);
      expect(await patch(from, [...removed, ...wanted])).toBe(to);
      // The changed entries alone give the same tree.
      const gone = removed.filter(([path]) => !wanted.has(path));
      const changed = [...wanted].filter(([path, { oid }]) => old.get(path)?.oid !== oid);
      expect(await patch(from, [...gone, ...changed])).toBe(to);
    }),
    { numRuns: rounds({ thorough: 40, else: 8 }), seed: 20_260_102 },
  );
});

it("keeps modes and writes all new objects", async () => {
  const tree = await treeOf({
    link: { mode: "120000", data: "a" },
    "d/run": { mode: "100755", data: "run" },
    sub: { mode: "160000", data: "1".repeat(40) },
    a: "a",
  });
  const moved = [...(await listTree(repoPath, tree))].map(([path, entry]): [string, TreeEntry] => [
    `moved/${path}`,
    entry,
  ]);
  const patched = await patch(tree, moved);
  await git(["fsck", "--strict", "--connectivity-only"], { gitDir: repoPath });
  expect((await listTree(repoPath, patched)).size).toBe(8);
  expect((await listTree(repoPath, patched)).get("moved/d/run")?.mode).toBe("100755");
});

it("removes folders with their last file, down to the empty tree", async () => {
  const tree = await treeOf({ "a/b/c": "c" });
  expect(await patch(tree, [["a/b/c", null]])).toBe(EMPTY_TREE);
  // Missing paths and folders are not removed.
  expect(
    await patch(tree, [
      ["a/b", null],
      ["x/y", null],
      ["a/b/c/d", null],
    ]),
  ).toBe(tree);
});

it("never lets a file replace a folder with files, or the reverse", async () => {
  const tree = await treeOf({ "d/x": "x", f: "f" });
  const entry = (await listTree(repoPath, tree)).get("f");
  if (entry === undefined) throw new Error("no entry");
  await expect(patch(tree, [["d", entry]])).rejects.toThrow("clash");
  await expect(patch(tree, [["f/x", entry]])).rejects.toThrow("clash");
  await expect(
    patch(tree, [
      ["n", entry],
      ["n/x", entry],
    ]),
  ).rejects.toThrow("clash");
  const swapped = await patch(tree, [
    ["d/x", null],
    ["d", entry],
    ["f", null],
    ["f/x", entry],
  ]);
  expect([...(await listTree(repoPath, swapped)).keys()]).toEqual(["d", "f/x"]);
});
