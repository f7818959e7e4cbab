/** Reads single loose objects and references without asking git. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { inflateSync } from "node:zlib";
import { isOid } from "./oid.js";
import { fileReads } from "./disk-speed.js";

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
/** Bytes of a file that is read here. */
const MAX_FILE_BYTES = 64 * 1024;
/** Bytes of an object. */
const MAX_BYTES = 256 * 1024;

/** An object, by the name it was requested with. */
export interface FoundObject {
  oid: string;
  type: string;
  /** Bytes of its content. */
  size: number;
  /** Null if only the object's type was requested. */
  content: Buffer | null;
}

/**
 * Reads a loose object of this repository by its full id; null if there is none, or a large one. New
 * commits and trees are loose until the next repack.
 */
export function readLoose(repoPath: string, oid: string): FoundObject | null {
  const packed = readSmall(join(repoPath, "objects", oid.slice(0, 2), oid.slice(2)));
  if (packed === null) return null;
  let bytes: Buffer;
  try {
    bytes = inflateSync(packed, { maxOutputLength: MAX_BYTES });
  } catch {
    // Git reports the error.
    return null;
  }
  const end = bytes.indexOf(0);
  const header = bytes.toString("latin1", 0, Math.max(0, end));
  const [, type, length] = /^(\w+) (\d+)$/.exec(header) ?? [];
  const content = bytes.subarray(end + 1);
  if (type === undefined || content.length !== Number(length)) return null;
  return { oid, type, size: content.length, content };
}

/** Reads a reference that has a file of its own; null for one in `packed-refs`, or none. */
export function readLooseRef(repoPath: string, ref: string): string | null {
  const text = readSmall(join(repoPath, ref))?.toString("latin1").trimEnd();
  return text !== undefined && isOid(text) ? text : null;
}

/** Reads a small file; null for a large or missing one, or a slow disk. */
function readSmall(path: string): Buffer | null {
  if (!fileReads.isFast) return null;
  return fileReads.run(() => {
    let fd: number;
    try {
      fd = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    } catch {
      return null;
    }
    try {
      const { size } = fstatSync(fd);
      if (size > MAX_FILE_BYTES) return null;
      const bytes = Buffer.allocUnsafe(size);
      return bytes.subarray(0, readSync(fd, bytes, 0, size, 0));
    } catch {
      return null;
    } finally {
      closeSync(fd);
    }
  });
}
