import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");

/** The folders that a tree of two spaces per level names, each with its line. */
function foldersOf(tree: string): Map<string, string> {
  const found = new Map<string, string>();
  const parents: string[] = [];
  for (const line of tree.split("\n")) {
    const [, indent = "", name] = /^( *)([\w-]+)\/(?: |$)/.exec(line) ?? [];
    if (name === undefined) continue;
    parents.length = indent.length / 2;
    parents.push(name);
    found.set(parents.join("/"), line);
  }
  return found;
}

async function architecture(): Promise<Map<string, string>> {
  const text = await readFile(join(root, "docs/ARCHITECTURE.md"), "utf8");
  return foldersOf(/^## Folders\n\n```text\n(.*?)^```/ms.exec(text)?.[1] ?? "");
}

test("every folder in the tree of docs/ARCHITECTURE.md exists and is described", async () => {
  const folders = await architecture();
  expect(folders.size).toBeGreaterThan(40);
  for (const [path, line] of folders) {
    expect([path, existsSync(join(root, path))]).toEqual([path, true]);
    if (path !== "src") expect(line).toMatch(/\/ +\S/);
  }
});

test("the tree names every folder of the repository, and two levels of src", async () => {
  const folders = await architecture();
  const below = async (path: string): Promise<string[]> =>
    (await readdir(join(root, path), { withFileTypes: true }))
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith("."))
      .map((entry) => (path === "" ? entry.name : `${path}/${entry.name}`));
  const ignored = new Set(["node_modules", "dist", "data", "release", "site", "test-results"]);
  const top = (await below("")).filter((name) => !ignored.has(name));
  const wings = await below("src");
  const layers = (await Promise.all(wings.map(below))).flat();
  for (const path of [...top, ...wings, ...layers]) expect([...folders.keys()]).toContain(path);
});
