import { expect, test } from "vitest";
import { type FolderNode, fileTree } from "./file-tree.js";

/** As an indented list. */
function drawn({ folders, files }: FolderNode<{ path: string }>, indent = ""): string[] {
  return [
    ...folders.flatMap((folder) => [`${indent}${folder.name}/`, ...drawn(folder, `${indent}  `)]),
    ...files.map(({ name, file }) => `${indent}${name} = ${file.path}`),
  ];
}
const treeOf = (...paths: string[]): string[] => drawn(fileTree(paths.map((path) => ({ path }))));

test("files are in their folders, lone folders on one line", () => {
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

test("names that only look alike are apart, and odd ones are harmless", () => {
  expect(treeOf("a/__proto__", "a/b", "a b/c")).toEqual([
    "a/",
    "  __proto__ = a/__proto__",
    "  b = a/b",
    "a b/",
    "  c = a b/c",
  ]);
  expect(treeOf()).toEqual([]);
});
