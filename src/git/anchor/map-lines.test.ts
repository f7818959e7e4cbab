import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { mapLines } from "./map-lines.js";

const line = fc.oneof(fc.constantFrom("}", "", "return"), fc.integer({ max: 40 }).map(String));
const text = fc.array(line, { maxLength: 60 });

/** An edit of a text: replaces some lines at a place by others. */
const edits = fc.array(
  fc.record({ at: fc.nat(60), removed: fc.nat(4), added: fc.array(line, { maxLength: 4 }) }),
  { maxLength: 8 },
);

describe("mapLines", () => {
  test("mapped lines are equal, and their order stays", () => {
    fc.assert(
      fc.property(text, text, (before, after) => {
        const map = mapLines(before, after);
        let last = -1;
        for (const [index, place] of map.entries()) {
          if (place === -1) continue;
          expect(place).toBeGreaterThan(last);
          expect(after[place]).toBe(before[index]);
          last = place;
        }
      }),
    );
  });

  test("lines that no edit touched are found where they are", () => {
    fc.assert(
      fc.property(fc.nat(50), edits, (size, changes) => {
        const before = Array.from({ length: size }, (_, index) => `line ${index}`);
        const after = [...before];
        for (const [index, { at, removed, added }] of changes.entries()) {
          const lines = added.map((one) => `added ${index} ${one}`);
          after.splice(Math.min(at, after.length), removed, ...lines);
        }
        const map = mapLines(before, after);
        for (const [index, one] of before.entries()) expect(map[index]).toBe(after.indexOf(one));
      }),
    );
  });

  test("the same text maps to itself", () => {
    fc.assert(
      fc.property(text, (lines) => {
        expect([...mapLines(lines, lines)]).toEqual(lines.map((_, index) => index));
      }),
    );
  });
});
