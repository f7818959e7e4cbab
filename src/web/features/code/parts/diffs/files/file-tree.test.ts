import { expect, test } from "vitest";
import { type FolderNode, fileTree, rowsOf } from "./file-tree.js";

/** Renders the tree as an indented list. */
function drawn({ folders, files }: FolderNode<{ path: string }>, indent = ""): string[] {
  return [
    ...folders.flatMap((folder) => [`${indent}${folder.name}/`, ...drawn(folder, `${indent}  `)]),
    ...files.map(({ name, file }) => `${indent}${name} = ${file.path}`),
  ];
}
const treeOf = (...paths: string[]): string[] => drawn(fileTree(paths.map((path) => ({ path }))));

test("files are grouped by folder, and lone folders share a row", () => {
  expect(
    treeOf("README.md", "src/web/ui/a.ts", "src/web/ui/b.ts", "src/web/c.ts", "e2e/x/y.ts"),
  ).toEqual([
    "e2e/x/",
    "  y.ts = e2e/x/y.ts",
    "src/web/",
    "  ui/",
    "    a.ts = src/web/ui/a.ts",
    "    b.ts = src/web/ui/b.ts",
    "  c.ts = src/web/c.ts",
    "README.md = README.md",
  ]);
});

test("similar names stay separate, and unusual ones are harmless", () => {
  expect(treeOf("a/__proto__", "a/b", "a b/c")).toEqual([
    "a/",
    "  __proto__ = a/__proto__",
    "  b = a/b",
    "a b/",
    "  c = a b/c",
  ]);
  expect(treeOf()).toEqual([]);
});

test("rows know their position among siblings, and closed folders hide their contents", () => {
  const tree = fileTree(["a/x.ts", "a/y.ts", "b/c/z.ts", "top.ts"].map((path) => ({ path })));
  const rows = (...closed: string[]): string[] =>
    rowsOf(tree, new Set(closed)).map(
      ({ key, level, place, siblings, isOpen }) =>
        `${key} ${level} ${place}/${siblings}${isOpen === undefined ? "" : isOpen ? " open" : " closed"}`,
    );
  expect(rows()).toEqual([
    "a/ 1 1/3 open",
    "a/x.ts 2 1/2",
    "a/y.ts 2 2/2",
    "b/c/ 1 2/3 open",
    "b/c/z.ts 2 1/1",
    "top.ts 1 3/3",
  ]);
  expect(rows("a/", "b/c/")).toEqual(["a/ 1 1/3 closed", "b/c/ 1 2/3 closed", "top.ts 1 3/3"]);
});
