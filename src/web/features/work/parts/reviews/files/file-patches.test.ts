import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { ChangedFile } from "#shared/api/work/reviews.js";
import { rounds } from "#test/support/thorough.js";
import { oldLinesOf } from "./file-patches.js";

const folder = mkdtempSync(join(tmpdir(), "omoi-patches-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Returns git's patch of two texts, as a changed file. */
function changed(old: readonly string[], fresh: readonly string[]): ChangedFile {
  const write = (name: string, lines: readonly string[]): string => {
    const path = join(folder, name);
    writeFileSync(path, lines.map((line) => `${line}\n`).join(""));
    return path;
  };
  const files = [write("old", old), write("new", fresh)];
  let patch = "";
  try {
    execFileSync("git", ["diff", "--no-index", ...files]);
  } catch (error) {
    patch = String((error as { stdout: Buffer }).stdout);
  }
  return { path: "a.ipynb", patch, truncated: false } as ChangedFile;
}

test("the old side follows from the new one and the patch", () => {
  let seed = 7;
  const random = (below: number): number => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % below;
  };
  for (let round = 0; round < rounds({ thorough: 500, else: 40 }); round += 1) {
    const old = Array.from({ length: random(40) }, () => `line ${random(12)}`);
    const fresh = old.flatMap((line) => {
      const choice = random(10);
      if (choice === 0) return [];
      return choice === 1 ? [line, `new ${random(5)}`] : choice === 2 ? ["changed"] : [line];
    });
    expect(oldLinesOf(changed(old, fresh), fresh)).toEqual(old);
  }
  expect(oldLinesOf({ ...changed(["a"], ["b"]), truncated: true }, ["b"])).toBeNull();
  expect(oldLinesOf(changed(["a", "b"], []), [])).toEqual(["a", "b"]);
});
