import { expect, test } from "vitest";
import { formatPatch, numberedLines, parsePatch } from "./hunks.js";
import { gapsOf, widened } from "./widen.js";

const content = Array.from({ length: 30 }, (_, index) => `line ${index + 1}`);
const patch = [
  "--- a/f",
  "+++ b/f",
  "@@ -4,3 +4,4 @@ heading",
  " line 4",
  "-old 5",
  "+line 5",
  "+line 6",
  " line 7",
  "@@ -20,3 +21,2 @@",
  " line 21",
  "-gone",
  " line 22",
  "",
].join("\n");
const { header, hunks } = parsePatch(patch);

test("a patch is read and written again", () => {
  expect(formatPatch({ header, hunks })).toBe(patch);
  expect(parsePatch("Binary files differ\n").hunks).toEqual([]);
});

test("lines have their number on each side", () => {
  const lines = numberedLines(hunks[0] ?? expect.fail("no hunk"));
  expect(lines.map(({ oldLine, newLine }) => [oldLine, newLine])).toEqual([
    [4, 4],
    [5, null],
    [null, 5],
    [null, 6],
    [6, 7],
  ]);
});

test("a side without lines stands after the line that its hunk names", () => {
  const added = parsePatch("@@ -2,0 +3,1 @@\n+new\n@@ -9,1 +9,0 @@\n-gone\n").hunks;
  expect(added.flatMap(numberedLines).map(({ oldLine, newLine }) => [oldLine, newLine])).toEqual([
    [null, 3],
    [9, null],
  ]);
});

test("gaps are the unchanged lines around hunks", () => {
  expect(gapsOf(hunks, 30)).toEqual([
    { index: 0, oldLine: 1, newLine: 1, lines: 3 },
    { index: 1, oldLine: 7, newLine: 8, lines: 13 },
    { index: 2, oldLine: 23, newLine: 23, lines: 8 },
  ]);
  expect(gapsOf(hunks, null).at(-1)?.lines).toBeNull();
});

test("hunks are widened, and those that meet become one", () => {
  const shown = new Map([
    [0, { below: 0, above: 2 }],
    [1, { below: 1, above: 2 }],
    [2, { below: 20, above: 0 }],
  ]);
  const [first, second, ...more] = widened(hunks, content, shown);
  expect(more).toEqual([]);
  expect(first).toMatchObject({ oldStart: 2, newStart: 2 });
  expect(first?.lines.slice(0, 2)).toEqual([" line 2", " line 3"]);
  expect(first?.lines.at(-1)).toBe(" line 8");
  expect(second).toMatchObject({ oldStart: 18, newStart: 19 });
  expect(second?.lines.at(-1)).toBe(" line 30");
  const whole = widened(hunks, content, new Map([[1, { below: 7, above: 6 }]]));
  expect(whole).toHaveLength(1);
  const numbered = whole.flatMap(numberedLines);
  for (const { newLine, text, kind } of numbered)
    if (kind === "context") expect(text).toBe(content[(newLine ?? 0) - 1]);
  expect(numbered.at(-1)).toMatchObject({ oldLine: 22, newLine: 22 });
});
