/** Reads single loose objects without asking git. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { inflateSync } from "node:zlib";
import type { FoundObject } from "./object-reader.js";

/** Compressed bytes of an object that is read here. */
const MAX_COMPRESSED = 64 * 1024;
/** Bytes of its content. */
const MAX_BYTES = 1024 * 1024;

/**
 * Reads a loose object of this repository by its full id; null if there is none, or a large one. New
 * commits and trees are loose until the next repack. The calls are synchronous: they take less time
 * than handing them to a thread.
 */
export function readLoose(repoPath: string, oid: string): FoundObject | null {
  let fd: number;
  try {
    fd = openSync(join(repoPath, "objects", oid.slice(0, 2), oid.slice(2)), "r");
  } catch {
    return null;
  }
  try {
    const { size } = fstatSync(fd);
    if (size > MAX_COMPRESSED) return null;
    const packed = Buffer.allocUnsafe(size);
    const bytes = inflateSync(packed.subarray(0, readSync(fd, packed, 0, size, 0)), {
      maxOutputLength: MAX_BYTES,
    });
    const end = bytes.indexOf(0);
    const [, type, length] =
      /^(\w+) (\d+)$/.exec(bytes.toString("latin1", 0, Math.max(0, end))) ?? [];
    const content = bytes.subarray(end + 1);
    if (type === undefined || content.length !== Number(length)) return null;
    return { oid, type, size: content.length, content };
  } catch {
    // Git tells what is wrong with it.
    return null;
  } finally {
    closeSync(fd);
  }
}
