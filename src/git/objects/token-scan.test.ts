import fc from "fast-check";
import { expect, test } from "vitest";
import { generateKey, isWellFormed } from "#shared/node/key-text.js";
import { TokenScan } from "./token-scan.js";

const prefix = "sk_live_";

function scan(pieces: readonly Buffer[]) {
  const it = new TokenScan(prefix);
  const read = it.start("a.txt");
  for (const piece of pieces) read(piece);
  return it.found.map(({ line, text }) => ({ line, text }));
}

test("finds each key with its line, wherever chunks are split", () => {
  const piece = fc.oneof(
    fc.constant("\n"),
    fc.constant(prefix),
    fc.string({ maxLength: 60 }),
    fc.noShrink(fc.constant(null).map(() => generateKey(prefix))),
  );
  fc.assert(
    fc.property(fc.array(piece), fc.array(fc.nat(500)), (texts, cuts) => {
      const bytes = Buffer.from(texts.join(""));
      const whole = scan([bytes]);
      const edges = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length];
      const sorted = edges.toSorted((a, b) => a - b);
      const cut = sorted.slice(1).map((end, index) => bytes.subarray(sorted[index], end));
      expect(scan(cut)).toEqual(whole);
      const lines = bytes.toString("latin1").split("\n");
      for (const { line, text } of whole) expect(lines[line - 1]).toContain(text);
      const keys = texts.filter((text) => isWellFormed(prefix, text));
      expect(whole.map(({ text }) => text)).toEqual(expect.arrayContaining(keys));
    }),
  );
});

test("ignores texts that only resemble a key", () => {
  const key = generateKey(prefix);
  const mistyped = key.slice(0, -1) + (key.endsWith("0") ? "1" : "0");
  expect(scan([Buffer.from(`${mistyped}\n${key.slice(0, -1)}`)])).toEqual([]);
});

test("forgets the keys of a file that is read again", () => {
  const it = new TokenScan(prefix);
  it.start("a.txt")(Buffer.from(generateKey(prefix)));
  expect(it.isClean).toBe(false);
  it.start("a.txt")(Buffer.from("nothing"));
  expect(it.isClean).toBe(true);
});
