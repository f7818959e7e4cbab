import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rounds } from "#test/support/thorough.js";
import { commitFiles, testRepository } from "#test/support/git/test-repository.js";
import { commitsTouching } from "./commits-touching.js";

/** The commits of one side only. */
const ofSide = async (
  repoPath: string,
  source: string,
  target: string,
  groups: readonly (readonly string[])[],
): Promise<string[][]> => (await commitsTouching(repoPath, { source, target }, groups)).source;

let repoPath = "";
let dispose = async (): Promise<void> => undefined;

beforeAll(async () => {
  ({ repoPath, dispose } = await testRepository());
});
afterAll(() => dispose());

describe("commitsTouching", () => {
  it("finds edits, additions, deletions and renames of each group, newest first", async () => {
    const base = await commitFiles(repoPath, [], { a: "1", b: "1", old: "same\n" });
    const one = await commitFiles(repoPath, [base], { a: "2", b: "1", old: "same\n" });
    const two = await commitFiles(repoPath, [one], { a: "2", b: "1", renamed: "same\n" });
    const three = await commitFiles(repoPath, [two], { a: "3", renamed: "same\n", n: "n" });
    const empty = await commitFiles(repoPath, [three], { a: "3", renamed: "same\n", n: "n" });
    const groups = [["a"], ["b", "n"], ["old"], ["renamed", "old"], ["untouched"], []];
    expect(await ofSide(repoPath, empty, base, groups)).toEqual([
      [three, one],
      [three],
      [two],
      [two],
      [],
      [],
    ]);
    expect(await ofSide(repoPath, base, empty, [["a"]])).toEqual([[]]);
    expect(await ofSide(repoPath, empty, base, [])).toEqual([]);
  });

  it("counts a merge commit only for differences from every parent", async () => {
    const base = await commitFiles(repoPath, [], { a: "1", b: "1", c: "1" });
    const left = await commitFiles(repoPath, [base], { a: "left", b: "1", c: "left" });
    const right = await commitFiles(repoPath, [base], { a: "1", b: "right", c: "right" });
    // a and b come from one parent each, c is new in the merge.
    const merged = await commitFiles(repoPath, [left, right], { a: "left", b: "right", c: "both" });
    const after = await commitFiles(repoPath, [merged], { a: "left", b: "after", c: "both" });
    const groups = [["a"], ["b"], ["c"]];
    const [a, b, c] = await ofSide(repoPath, after, base, groups);
    expect(a).toEqual([left]);
    expect(b).toEqual([after, right]);
    expect(c?.[0]).toBe(merged);
    expect(c?.toSorted()).toEqual([merged, left, right].toSorted());
    // A commit that the other side has as well does not count.
    expect(await ofSide(repoPath, after, right, groups)).toEqual([[left], [after], [merged, left]]);
  });

  it("sees an edit that a merge discarded, which a path-limited history would hide", async () => {
    const base = await commitFiles(repoPath, [], { a: "1" });
    const edit = await commitFiles(repoPath, [base], { a: "2", x: "x" });
    const other = await commitFiles(repoPath, [base], { a: "1", y: "y" });
    const merged = await commitFiles(repoPath, [other, edit], { a: "1", x: "x", y: "y" });
    expect(await ofSide(repoPath, merged, base, [["a"]])).toEqual([[edit]]);
  });

  it("separates the two sides and leaves out shared commits", async () => {
    const base = await commitFiles(repoPath, [], { a: "1", b: "1" });
    const shared = await commitFiles(repoPath, [base], { a: "shared", b: "1" });
    const left = await commitFiles(repoPath, [shared], { a: "left", b: "1" });
    const right = await commitFiles(repoPath, [shared], { a: "right", b: "right" });
    const sides = { source: left, target: right };
    expect(await commitsTouching(repoPath, sides, [["a"], ["b"]])).toEqual({
      source: [[left], []],
      target: [[right], [right]],
    });
  });

  it("counts changes below a folder for the folder's path", async () => {
    const base = await commitFiles(repoPath, [], { z: "z" });
    const one = await commitFiles(repoPath, [base], { z: "z", "p/d/x": "x" });
    const two = await commitFiles(repoPath, [one], { z: "z", "p/d/x": "x", pq: "q" });
    expect(await ofSide(repoPath, two, base, [["p"], ["p/d"], ["d"]])).toEqual([[one], [one], []]);
  });

  it("is not confused by names that imitate its format, and accepts many paths", async () => {
    const fake = `\u0001${"a".repeat(40)}`;
    const base = await commitFiles(repoPath, [], { z: "z" });
    const one = await commitFiles(repoPath, [base], {
      z: "z",
      "\nfirst": "f",
      "\nsecond": "s",
      [fake]: "f",
      é: "e",
    });
    const many = Array.from({ length: 5000 }, (_, at) => `folder/${at}/${"long".repeat(20)}`);
    const groups = [["é"], [fake], ["\nfirst"], ["\nsecond"], many];
    expect(await ofSide(repoPath, one, base, groups)).toEqual([[one], [one], [one], [one], []]);
  });

  it("gives the same commits of random histories as git", async () => {
    // A path outside ASCII makes git read the whole history.
    const unlimited = ["ü"];
    const edit = fc.record({
      parents: fc.array(fc.nat(), { minLength: 1, maxLength: 2 }),
      files: fc.dictionary(fc.constantFrom("a", "d/b", "d/e/c", "x"), fc.constantFrom("1", "2")),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 4, maxLength: 12 }), async (edits) => {
        const commits = [await commitFiles(repoPath, [], { a: "0", "d/b": "0" })];
        for (const [at, { parents, files }] of edits.entries()) {
          const known = parents.map((parent) => commits[parent % commits.length] as string);
          const content = { ...files, z: String(at) };
          commits.push(await commitFiles(repoPath, [...new Set(known)], content));
        }
        const [target, source] = commits.slice(-2) as [string, string];
        const groups = [["a"], ["d/b", "x"], ["d"], ["d/e/c"], ["missing"]];
        const limited = await commitsTouching(repoPath, { source, target }, groups);
        const all = await commitsTouching(repoPath, { source, target }, [...groups, unlimited]);
        const sorted = (lists: string[][]) => lists.map((list) => list.toSorted());
        for (const side of ["source", "target"] as const) {
          expect(sorted([...limited[side], []])).toEqual(sorted(all[side]));
        }
      }),
      { numRuns: rounds({ thorough: 300, else: 4 }) },
    );
  });

  it("counts the root commit and rejects invalid commit ids", async () => {
    const root = await commitFiles(repoPath, [], { a: "1" });
    const unrelated = await commitFiles(repoPath, [], { b: "1" });
    expect(await ofSide(repoPath, root, unrelated, [["a"]])).toEqual([[root]]);
    await expect(ofSide(repoPath, "HEAD", root, [["a"]])).rejects.toThrow(TypeError);
    const missing = "0123456789".repeat(4);
    await expect(ofSide(repoPath, missing, root, [["a"]])).rejects.toThrow("git log");
  });
});
