import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rounds } from "#test/support/thorough.js";
import {
  commitFiles,
  readFiles,
  testRepository,
  type Files,
} from "#test/support/git/test-repository.js";
import { git } from "../process/run.js";
import { resolveTree } from "../store/repository.js";
import { mergeDisjoint } from "./merge-disjoint.js";

let repoPath = "";
let dispose = async (): Promise<void> => undefined;

beforeAll(async () => {
  ({ repoPath, dispose } = await testRepository());
});
afterAll(() => dispose());

/** The merge here, and git's: its tree, or null for a conflict. */
async function mergeBoth(start: Files, ours: Files, theirs: Files) {
  const base = await commitFiles(repoPath, [], start);
  const target = await commitFiles(repoPath, [base], ours);
  const source = await commitFiles(repoPath, [base], theirs);
  const { exitCode, stdout } = await git(["merge-tree", "--write-tree", target, source], {
    gitDir: repoPath,
    okExitCodes: [0, 1],
  });
  const merged = exitCode === 0 ? stdout.toString("latin1").trim() : null;
  return { here: await mergeDisjoint(repoPath, { base, target, source }), git: merged };
}

const START: Files = { a: "1\n", "d/b": "1\n", "d/e/c": "1\n", f: "1\n" };

describe("mergeDisjoint merges", () => {
  it("edits, additions, deletions and modes of different files, and equal changes", async () => {
    const link = { mode: "120000", data: "a" } as const;
    const ours = { ...START, a: "2\n", f: "same\n", new: "n\n", "d/n": link };
    const { f: _f, ...rest } = START;
    const theirs = { ...rest, f: "same\n", "d/e/c": { mode: "100755", data: "1\n" } as const };
    const { here, git: expected } = await mergeBoth(START, ours, theirs);
    expect(here).toBe(expected);
    expect(await readFiles(repoPath, here ?? "")).toEqual({
      a: "2\n",
      "d/b": "1\n",
      "d/e/c": "x 1\n",
      "d/n": "-> a",
      f: "same\n",
      new: "n\n",
    });
  });

  it("a side without changes, and the deletion of a whole folder", async () => {
    const { here, git: same } = await mergeBoth(START, START, { ...START, a: "2\n" });
    expect(here).toBe(same);
    const alone = await mergeBoth(START, { ...START, a: "2\n" }, { a: "1\n", f: "1\n" });
    expect(alone.here).toBe(alone.git);
    expect(Object.keys(await readFiles(repoPath, alone.here ?? ""))).toEqual(["a", "f"]);
  });
});

describe("mergeDisjoint leaves to git", () => {
  it.each<[what: string, ours: Files, theirs: Files]>([
    ["lines of one file", { ...START, a: "2\n" }, { ...START, a: "3\n" }],
    ["a change of a deleted file", { "d/b": "1\n", f: "1\n" }, { ...START, "d/e/c": "2\n" }],
    ["a possible rename", { ...START, a: "2\n" }, { ...START, f: "2\n", g: "1\n", a: "1\n" }],
    ["a file and a folder at one path", { ...START, x: "1\n" }, { ...START, "x/y": "1\n" }],
    ["a folder and a file at one path", { ...START, "x/y": "1\n" }, { ...START, x: "1\n" }],
  ])("%s", async (what, ours, theirs) => {
    const renamed = what === "a possible rename" ? { "d/b": "1\n", g: "1\n", a: "1\n" } : theirs;
    expect((await mergeBoth(START, ours, renamed)).here).toBeNull();
  });

  it("commits that are missing here", async () => {
    const base = await commitFiles(repoPath, [], START);
    const missing = "0123456789".repeat(4);
    for (const side of ["base", "target", "source"]) {
      const commits = { base, target: base, source: base, [side]: missing };
      expect(await mergeDisjoint(repoPath, commits)).toBeNull();
    }
  });
});

it("gives git's tree for random changes", async () => {
  const name = fc.constantFrom("a", "b", "d/a", "d/b", "d/e/x", "d/e/y", "f", "f/g");
  const change = fc.record({
    name,
    what: fc.constantFrom("edit", "edit", "add", "delete", "mode"),
  });
  const apply = (changes: readonly { name: string; what: string }[], side: string): Files => {
    const files: Record<string, Files[string]> = { ...RANDOM_START };
    for (const { name: path, what } of changes) {
      const clashes = Object.keys(files).some(
        (item) => item.startsWith(`${path}/`) || path.startsWith(`${item}/`),
      );
      if (what === "delete") delete files[path];
      else if (clashes || (what === "add") === path in files) continue;
      else if (what === "mode") files[path] = { mode: "100755", data: "1\n2\n3\n" };
      else files[path] = `${side} ${what}\n2\n3\n`;
    }
    // A commit without files has no tree here.
    return Object.keys(files).length === 0 ? { z: "z" } : files;
  };
  const numRuns = rounds({ thorough: 400, else: 12 });
  let merged = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { maxLength: 3 }),
      fc.array(change, { maxLength: 3 }),
      fc.boolean(),
      async (ours, theirs, isSame) => {
        const sides = [apply(ours, "T"), apply(theirs, isSame ? "T" : "S")] as const;
        const { here, git: expected } = await mergeBoth(RANDOM_START, ...sides);
        if (here === null) return;
        merged += 1;
        expect(here).toBe(expected);
      },
    ),
    { numRuns },
  );
  expect(merged).toBeGreaterThan(numRuns / 50);
});

const RANDOM_START: Files = {
  a: "1\n2\n3\n",
  b: "1\n2\n3\n",
  "d/a": "1\n2\n3\n",
  "d/b": "1\n2\n3\n",
  "d/e/x": "1\n2\n3\n",
  f: "1\n2\n3\n",
};

it("writes the tree of the source for a target without changes", async () => {
  const base = await commitFiles(repoPath, [], START);
  const source = await commitFiles(repoPath, [base], { ...START, a: "2\n", "d/b": "2\n" });
  const tree = await mergeDisjoint(repoPath, { base, target: base, source });
  expect(tree).toBe(await resolveTree(repoPath, source));
});
