import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { commitFiles, testStore } from "#test/support/test-repository.js";
import { touchingCommits } from "./commits-touching.js";

/** The commits of one side alone. */
const ofSide = async (
  store: string,
  source: string,
  target: string,
  groups: readonly (readonly string[])[],
): Promise<string[][]> => (await touchingCommits(store, { source, target }, groups)).source;

let store = "";
let dispose = async (): Promise<void> => undefined;

beforeAll(async () => {
  ({ store, dispose } = await testStore());
});
afterAll(() => dispose());

describe("touchingCommits", () => {
  it("finds edits, additions, deletions and renames of each group, newest first", async () => {
    const base = await commitFiles(store, [], { a: "1", b: "1", old: "same\n" });
    const one = await commitFiles(store, [base], { a: "2", b: "1", old: "same\n" });
    const two = await commitFiles(store, [one], { a: "2", b: "1", renamed: "same\n" });
    const three = await commitFiles(store, [two], { a: "3", renamed: "same\n", n: "n" });
    const empty = await commitFiles(store, [three], { a: "3", renamed: "same\n", n: "n" });
    const groups = [["a"], ["b", "n"], ["old"], ["renamed", "old"], ["untouched"], []];
    expect(await ofSide(store, empty, base, groups)).toEqual([
      [three, one],
      [three],
      [two],
      [two],
      [],
      [],
    ]);
    expect(await ofSide(store, base, empty, [["a"]])).toEqual([[]]);
    expect(await ofSide(store, empty, base, [])).toEqual([]);
  });

  it("counts a merge commit only for what differs from every parent", async () => {
    const base = await commitFiles(store, [], { a: "1", b: "1", c: "1" });
    const left = await commitFiles(store, [base], { a: "left", b: "1", c: "left" });
    const right = await commitFiles(store, [base], { a: "1", b: "right", c: "right" });
    // a and b come from one parent each, c is new in the merge.
    const merged = await commitFiles(store, [left, right], { a: "left", b: "right", c: "both" });
    const after = await commitFiles(store, [merged], { a: "left", b: "after", c: "both" });
    const groups = [["a"], ["b"], ["c"]];
    const [a, b, c] = await ofSide(store, after, base, groups);
    expect(a).toEqual([left]);
    expect(b).toEqual([after, right]);
    expect(c?.[0]).toBe(merged);
    expect(c?.toSorted()).toEqual([merged, left, right].toSorted());
    // What the other side holds already is not this side's.
    expect(await ofSide(store, after, right, groups)).toEqual([[left], [after], [merged, left]]);
  });

  it("sees an edit that a merge threw away, which a path-limited history would hide", async () => {
    const base = await commitFiles(store, [], { a: "1" });
    const edit = await commitFiles(store, [base], { a: "2", x: "x" });
    const other = await commitFiles(store, [base], { a: "1", y: "y" });
    const merged = await commitFiles(store, [other, edit], { a: "1", x: "x", y: "y" });
    expect(await ofSide(store, merged, base, [["a"]])).toEqual([[edit]]);
  });

  it("tells the two sides apart, without what both have", async () => {
    const base = await commitFiles(store, [], { a: "1", b: "1" });
    const shared = await commitFiles(store, [base], { a: "shared", b: "1" });
    const left = await commitFiles(store, [shared], { a: "left", b: "1" });
    const right = await commitFiles(store, [shared], { a: "right", b: "right" });
    const sides = { source: left, target: right };
    expect(await touchingCommits(store, sides, [["a"], ["b"]])).toEqual({
      source: [[left], []],
      target: [[right], [right]],
    });
  });

  it("counts what is below a folder for the folder's path", async () => {
    const base = await commitFiles(store, [], { z: "z" });
    const one = await commitFiles(store, [base], { z: "z", "p/d/x": "x" });
    const two = await commitFiles(store, [one], { z: "z", "p/d/x": "x", pq: "q" });
    expect(await ofSide(store, two, base, [["p"], ["p/d"], ["d"]])).toEqual([[one], [one], []]);
  });

  it("is not confused by names that look like its own format, and takes many paths", async () => {
    const fake = `\u0001${"a".repeat(40)}`;
    const base = await commitFiles(store, [], { z: "z" });
    const one = await commitFiles(store, [base], {
      z: "z",
      "\nfirst": "f",
      "\nsecond": "s",
      [fake]: "f",
      é: "e",
    });
    const many = Array.from({ length: 5000 }, (_, at) => `folder/${at}/${"long".repeat(20)}`);
    const groups = [["é"], [fake], ["\nfirst"], ["\nsecond"], many];
    expect(await ofSide(store, one, base, groups)).toEqual([[one], [one], [one], [one], []]);
  });

  it("counts the root commit and refuses what is no commit id", async () => {
    const root = await commitFiles(store, [], { a: "1" });
    const unrelated = await commitFiles(store, [], { b: "1" });
    expect(await ofSide(store, root, unrelated, [["a"]])).toEqual([[root]]);
    await expect(ofSide(store, "HEAD", root, [["a"]])).rejects.toThrow(TypeError);
    const missing = "0123456789".repeat(4);
    await expect(ofSide(store, missing, root, [["a"]])).rejects.toThrow("git log");
  });
});
