/** Objects of tests of the object storage. */
import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { expect } from "vitest";
import type { Fault, S3Server } from "./s3-server.js";

export const MIB = 1024 * 1024;
export const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

/** Cuts bytes into pieces of an odd size, so that parts end within pieces. */
export function piecesOf(bytes: Buffer): Readable {
  const pieces: Buffer[] = [];
  for (let from = 0; from < bytes.length; from += 99_991) {
    pieces.push(bytes.subarray(from, from + 99_991));
  }
  return Readable.from(pieces);
}

export async function contentOf(s3: S3Server, key: string): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const stream = s3.storage.stream({ bucket: s3.bucket, key });
  for await (const piece of stream) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

/** Stores an object of this size, and reads it. */
export async function storeBytes(s3: S3Server, size: number): Promise<void> {
  const at = { bucket: s3.bucket, key: `sizes/${size}` };
  const bytes = randomBytes(size);
  const uploaded = await s3.storage.upload(at, piecesOf(bytes));
  expect(uploaded).toEqual({ bytes: size, sha256: sha256(bytes) });
  expect(sha256(await contentOf(s3, `sizes/${size}`))).toBe(sha256(bytes));
  expect(await s3.storage.size(at)).toBe(size);
  if (size > 10) {
    const range = await s3.storage.readRange(at, 5, 10);
    expect(range.equals(bytes.subarray(5, 10))).toBe(true);
  }
}

/** Stores this many empty objects, lists them and deletes some. */
export async function listObjects(s3: S3Server, count: number): Promise<void> {
  const at = (key: string) => ({ bucket: s3.bucket, key });
  const keys = Array.from(
    { length: count },
    (_, index) => `many/${String(index).padStart(4, "0")}`,
  );
  for (let from = 0; from < keys.length; from += 50) {
    const some = keys.slice(from, from + 50);
    await Promise.all(some.map((key) => s3.storage.upload(at(key), Readable.from([]))));
  }
  expect(await s3.keys("many/")).toEqual(keys);
  for (const key of keys.slice(0, 3)) await s3.storage.delete(at(key));
  await s3.storage.delete(at("many/0000"));
  expect(await s3.keys("many/")).toEqual(keys.slice(3));
  expect(await s3.storage.size(at("many/0000"))).toBeNull();
  await expect(contentOf(s3, "many/0000")).rejects.toMatchObject({ failure: "missing" });
}

/** Stores an object and reads it, while every second request fails. */
export async function repeatFailures(s3: S3Server, fault: Fault): Promise<void> {
  const at = (key: string) => ({ bucket: s3.bucket, key });
  const bytes = randomBytes(18 * MIB);
  const key = `faults/${fault}`;
  let failed = 0;
  let asked = 0;
  s3.fault = () => ((asked += 1) % 2 === 1 ? ((failed += 1), fault) : null);
  await s3.storage.upload(at(key), piecesOf(bytes));
  expect(sha256(await contentOf(s3, key))).toBe(sha256(bytes));
  expect((await s3.storage.readRange(at(key), 0, 9)).equals(bytes.subarray(0, 9))).toBe(true);
  expect(failed).toBeGreaterThan(3);
}
