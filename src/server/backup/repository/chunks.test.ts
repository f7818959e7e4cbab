import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { chunksOf, MAX_CHUNK, MIN_CHUNK } from "./chunks.js";
import { createSealer } from "./sealer.js";

const { gear } = createSealer(null);

async function* inPieces(content: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  for (let at = 0, turn = 0; at < content.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 65_536;
    yield content.subarray(at, at + size);
    at += size;
  }
}

async function split(content: Buffer, sizes: readonly number[] = [65_536]): Promise<Buffer[]> {
  const chunks: Buffer[] = [];
  for await (const chunk of chunksOf(inPieces(content, sizes), gear)) chunks.push(chunk);
  return chunks;
}

const texts = (chunks: readonly Buffer[]): string[] =>
  chunks.map((chunk) => chunk.toString("latin1"));

test("chunks are the content, within their limits, wherever its pieces end", async () => {
  const content = randomBytes(12 * 1024 * 1024);
  const chunks = await split(content);
  expect(Buffer.concat(chunks).equals(content)).toBe(true);
  expect(chunks.length).toBeGreaterThan(3);
  for (const chunk of chunks.slice(0, -1)) {
    expect(chunk.length).toBeGreaterThanOrEqual(MIN_CHUNK);
    expect(chunk.length).toBeLessThanOrEqual(MAX_CHUNK);
  }
  const lengths = chunks.map(({ length }) => length);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 3_000_000 }), { minLength: 1, maxLength: 4 }),
      async (sizes) => {
        // Single bytes would take long.
        const coarse = sizes.map((size) => size + 997);
        expect((await split(content, coarse)).map(({ length }) => length)).toEqual(lengths);
      },
    ),
    { numRuns: 10 },
  );
});

test("content without a boundary is split at the maximum, and one byte more is another chunk", async () => {
  const sizesOf = async (bytes: number) =>
    (await split(Buffer.alloc(bytes, 1))).map(({ length }) => length);
  expect(await sizesOf(0)).toEqual([]);
  expect(await sizesOf(MAX_CHUNK)).toEqual([MAX_CHUNK]);
  expect(await sizesOf(MAX_CHUNK + 1)).toEqual([MAX_CHUNK, 1]);
});

test("an insertion changes few chunks", async () => {
  const content = randomBytes(24 * 1024 * 1024);
  const before = new Set(texts(await split(content)));
  for (const at of [0, 5_000_000, content.length]) {
    const changed = Buffer.concat([
      content.subarray(0, at),
      randomBytes(100),
      content.subarray(at),
    ]);
    const added = texts(await split(changed)).filter((chunk) => !before.has(chunk));
    expect(added.length).toBeLessThanOrEqual(3);
  }
});

test("boundaries depend on the key", async () => {
  const keyed = createSealer("a key for these tests, long enough");
  expect(keyed.gear).not.toEqual(gear);
  expect(new Set(keyed.gear).size).toBeGreaterThan(250);
});
