import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const folder = join(root, "docs/decisions");
const files = (await readdir(folder)).filter((name) => name !== "README.md").toSorted();

test("decision records are numbered without a gap and listed in the index", async () => {
  expect(files.length).toBeGreaterThan(29);
  const index = await readFile(join(folder, "README.md"), "utf8");
  for (const [at, name] of files.entries()) {
    const number = String(at + 1).padStart(4, "0");
    expect(name).toMatch(new RegExp(`^${number}-[a-z0-9-]+\\.md$`));
    expect(index).toContain(`(${name})`);
  }
});

test.each(files)("%s has a status and the sections in their order", async (name) => {
  const text = await readFile(join(folder, name), "utf8");
  expect(text).toMatch(
    /^# .+\n\nStatus: (accepted|superseded by \[\d{4}\]\(.+\)), \d{4}-\d\d-\d\d[.;]/,
  );
  const sections = Array.from(text.matchAll(/^## (.+)$/gm), ([, title]) => title);
  const all = ["Context", "Decision", "Consequences", "Measurements"];
  expect(sections).toEqual(all.slice(0, Math.max(3, sections.length)));
  for (const [, path = ""] of text.matchAll(/`(src\/[^`*]+|test\/[^`*]+)`/g))
    expect([path, existsSync(join(root, path))]).toEqual([path, true]);
});
