import { createPatch } from "diff";
import fc from "fast-check";
import { expect, test } from "vitest";
import { findDiffLine, lineCode } from "./diff-line.js";

const text = fc
  .array(fc.constantFrom("a", "b", "c", "d"), { maxLength: 30 })
  .map((lines) => lines.map((line) => `${line}\n`).join(""));
const linesOf = (whole: string): string[] => whole.split("\n").slice(0, -1);

test("finds lines on both sides of any change", () => {
  fc.assert(
    fc.property(text, text, fc.nat({ max: 3 }), (before, after, context) => {
      const patch = createPatch("total.ts", before, after, "", "", { context });
      const start = patch.indexOf("@@");
      const diff = start < 0 ? "" : patch.slice(start);
      const [old, changed] = [linesOf(before), linesOf(after)];
      const added = [];
      const removed = [];
      for (const at of changed.keys()) {
        const line = findDiffLine(diff, "new", at + 1);
        expect(line.new).toBe(at + 1);
        if (line.type === null) expect(changed[at]).toBe(old[line.old - 1]);
        else added.push(line);
      }
      for (const at of old.keys()) {
        const line = findDiffLine(diff, "old", at + 1);
        expect(line.old).toBe(at + 1);
        if (line.type === null) expect(old[at]).toBe(changed[line.new - 1]);
        else removed.push(line);
      }
      const marks = diff.split("\n");
      expect(added).toHaveLength(marks.filter((mark) => mark.startsWith("+")).length);
      expect(removed).toHaveLength(marks.filter((mark) => mark.startsWith("-")).length);
    }),
  );
});

test("names lines as GitLab does", () => {
  const diff = "@@ -1,3 +1,4 @@\n one\n-two\n+zwei\n+drei\n three\n";
  const added = findDiffLine(diff, "new", 3);
  expect(added).toEqual({ old: 3, new: 3, type: "new" });
  // The digest of "a.ts".
  expect(lineCode("a.ts", added)).toEqual({
    lineCode: expect.stringMatching(/^[0-9a-f]{40}_3_3$/),
    type: "new",
  });
  expect(findDiffLine(diff, "old", 2)).toEqual({ old: 2, new: 2, type: "old" });
  expect(findDiffLine(diff, "new", 4)).toEqual({ old: 3, new: 4, type: null });
  expect(findDiffLine(diff, "new", 104)).toEqual({ old: 103, new: 104, type: null });
  expect(findDiffLine("@@ -0,0 +1,2 @@\n+a\n+b\n", "new", 2)).toEqual({
    old: 1,
    new: 2,
    type: "new",
  });
});
