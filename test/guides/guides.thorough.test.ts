/**
 * Every shell block of every document is run as it is written, on one installation and in the order in which a reader
 * meets them, or `not-run.ts` says why not.
 */
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { allCodeBlocks } from "#test/support/documents/code-blocks.js";
import { root } from "#test/support/server/built-files.js";
import { omoi } from "#test/support/server/cli.js";
import { firstGuides } from "./first-guides.js";
import { notRun } from "./not-run.js";
import { maintenanceGuides, operatorGuides } from "./operator-guides.js";
import { toolGuides } from "./tool-guides.js";
import { firstLine, isShell, world } from "./world.js";

/** Languages of blocks that are not for a shell. */
const OTHERS = new Set(["js", "json", "yaml", "ini", "sql", "promql", "text", "toml"]);

async function documents(): Promise<string[]> {
  const names = await readdir(join(root, "docs"), { recursive: true });
  const inDocs = names.filter((name) => name.endsWith(".md")).map((name) => join("docs", name));
  const inRoot = (await readdir(root)).filter((name) => name.endsWith(".md"));
  return [...inRoot, ...inDocs];
}

beforeAll(() => world.open());
afterAll(() => world.close());

/** Each of these tests starts dozens of processes. */
const PATIENT = { timeout: 900_000 };

describe("guides", PATIENT, () => {
  firstGuides();
  toolGuides();
  operatorGuides();
  maintenanceGuides();
});

test("every shell block of a document was run, or is listed with a reason", async () => {
  const left: string[] = [];
  const listed = new Set(
    Object.entries(notRun).flatMap(([path, blocks]) =>
      Object.keys(blocks).map((line) => `${path}: ${line}`),
    ),
  );
  for (const path of await documents()) {
    for (const { language, text } of await allCodeBlocks(path)) {
      const name = `${path}: ${firstLine(text)}`;
      const isListed = listed.delete(name);
      if (OTHERS.has(language)) continue;
      const isRun = isShell({ language }) && world.finished.has(path);
      if (!isRun && !isListed) left.push(`${name} (${language || "no language"})`);
    }
  }
  // A block that was changed or removed leaves the list.
  expect([...listed]).toEqual([]);
  expect(left).toEqual([]);
});

test("the tests that reasons name exist", () => {
  const reasons = Object.values(notRun).flatMap((blocks) => Object.values(blocks));
  for (const reason of reasons) {
    for (const [path] of reason.matchAll(/(?:src|test)\/\S+\.test\.ts/g)) {
      expect([path, existsSync(join(root, path))]).toEqual([path, true]);
    }
  }
});

test("every command that a sentence mentions exists, with its options", PATIENT, async () => {
  const mentioned = new Set<string>();
  for (const path of await documents()) {
    if (path === "CHANGELOG.md" || path.startsWith("docs/decisions/")) continue;
    const source = await readFile(join(root, path), "utf8");
    for (const [, command = ""] of source.matchAll(/`omoi ([^`\n]+)`/g)) mentioned.add(command);
  }
  const wrong: string[] = [];
  for (const command of mentioned) {
    const [words = "", rest = ""] = command.split(/ (?=-)(.*)/s);
    const names = words.startsWith("-") ? [] : words.split(" ");
    const { out } = await omoi({}, ...names, "--help");
    const usage = /^Usage: omoi (.*)$/m.exec(out)?.[1]?.replaceAll(/\|\w+/g, "").split(" ") ?? [];
    const path = usage.filter((word) => /^[a-z]/.test(word));
    const values = usage.filter((word) => /^[<[][A-Z]/.test(word));
    const options = rest.replace(/ -- .*/s, "").match(/--[a-z][a-z-]*/g) ?? [];
    const isKnown =
      path.every((word, at) => word === names[at]) &&
      names.length <= path.length + values.length &&
      options.every((option) => out.includes(option));
    if (!isKnown) wrong.push(command);
  }
  expect(wrong).toEqual([]);
});
