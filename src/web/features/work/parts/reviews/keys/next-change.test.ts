import { expect, test } from "vitest";
import { parsePatch } from "../../../../code/parts/diffs/patches/hunks.js";
import type { LinePlace } from "./line-rows.js";
import { nextChange } from "./next-change.js";

const { hunks } = parsePatch(
  [
    "@@ -4,4 +4,5 @@",
    " four",
    "-five",
    "+FIVE",
    "+more",
    " six",
    " seven",
    "@@ -20,2 +21,1 @@",
    "-gone",
    " end",
    "",
  ].join("\n"),
);
const fresh = (line: number): LinePlace => ({ side: "new", line });
const old = (line: number): LinePlace => ({ side: "old", line });

test("changes follow each other in both directions", () => {
  expect(nextChange(hunks, null, 1)).toEqual(old(5));
  expect(nextChange(hunks, old(5), 1)).toEqual(old(20));
  expect(nextChange(hunks, old(20), 1)).toBeNull();
  expect(nextChange(hunks, null, -1)).toEqual(old(20));
  expect(nextChange(hunks, old(20), -1)).toEqual(old(5));
});

test("from within a change, the previous one is its start", () => {
  expect(nextChange(hunks, fresh(6), -1)).toEqual(old(5));
  expect(nextChange(hunks, fresh(6), 1)).toEqual(old(20));
});

test("lines between the hunks have a place, too", () => {
  expect(nextChange(hunks, fresh(1), 1)).toEqual(old(5));
  expect(nextChange(hunks, fresh(1), -1)).toBeNull();
  expect(nextChange(hunks, fresh(15), 1)).toEqual(old(20));
  expect(nextChange(hunks, fresh(15), -1)).toEqual(old(5));
  expect(nextChange(hunks, fresh(90), 1)).toBeNull();
});
