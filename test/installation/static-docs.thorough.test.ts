/** `npm run docs` writes pages whose links lead to files. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { root } from "#test/support/server/built-files.js";

const folder = mkdtempSync(join(tmpdir(), "omoi-docs-"));
afterAll(() => rmSync(folder, { recursive: true }));

const write = (name: string) =>
  spawnSync(process.execPath, ["scripts/docs.mjs", join(folder, name)], {
    cwd: root,
    encoding: "utf8",
  });

test("each document is a page of static files, and each of its links leads to a file", () => {
  const { status, stderr } = write("site");
  expect(status, stderr).toBe(0);
  const site = join(folder, "site");
  const pages = readdirSync(site, { recursive: true })
    .map(String)
    .filter((name) => name.endsWith(".html"));
  const documents = readdirSync(join(root, "docs"), { recursive: true })
    .map(String)
    .filter((name) => name.endsWith(".md"))
    .map((name) => name.replace(/\.md$/, ".html"));
  expect(pages.toSorted()).toEqual([...documents, "index.html"].toSorted());
  for (const page of pages) {
    const html = readFileSync(join(site, page), "utf8");
    expect(html).not.toMatch(/<script| style="/);
    for (const [, target = ""] of html.matchAll(/ (?:href|src)="([^"]*)"/g)) {
      if (/^(?:[a-z]+:|#)/.test(target)) continue;
      const [file = "", anchor] = target.split("#");
      const path = join(site, dirname(page), file);
      expect([page, target, existsSync(path)]).toEqual([page, target, true]);
      if (anchor === undefined) continue;
      const found = readFileSync(path, "utf8").includes(` id="${anchor}"`);
      expect([page, target, found]).toEqual([page, target, true]);
    }
  }
  // Again, over its own files.
  expect(write("site").status).toBe(0);
});

test("refuses a folder with other files", () => {
  writeFileSync(join(folder, "mine.txt"), "");
  expect(write(".")).toMatchObject({ status: 1, stderr: expect.stringContaining("other files") });
  expect(existsSync(join(folder, "mine.txt"))).toBe(true);
});
