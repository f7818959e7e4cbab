/** Writes single loose objects without starting git, in git's own format. */
import { createHash, randomBytes } from "node:crypto";
import { renameSync, writeFileSync } from "node:fs";
import { mkdir, rename, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import { fileWrites } from "./disk-speed.js";

/** An object in memory: its id and the bytes that the id hashes. */
export interface LooseObject {
  oid: string;
  bytes: Buffer;
}

/** Builds an object of the given type and content. */
export function looseObject(type: "commit" | "tree" | "blob", content: Buffer): LooseObject {
  const bytes = Buffer.concat([Buffer.from(`${type} ${content.length}\0`), content]);
  return { oid: createHash("sha1").update(bytes).digest("hex"), bytes };
}

const FAST = { level: 1 };
/** Few buffers: for small objects, allocating the usual ones takes longer than compressing. */
const FAST_AND_SMALL = { ...FAST, windowBits: 13, memLevel: 4, chunkSize: 4096 };
const SMALL_BYTES = 16 * 1024;

/** Compressed bytes of an object that may be written by synchronous calls. */
const MAX_SYNC_BYTES = 256 * 1024;

/**
 * Writes the object and returns its id. The write is atomic: an interrupted one leaves a temporary
 * file in git's naming, which `git prune` removes. An existing object stays as it is.
 */
export async function writeObject(repoPath: string, { oid, bytes }: LooseObject): Promise<string> {
  const folder = join(repoPath, "objects", oid.slice(0, 2));
  const [aside, place] = [join(folder, temporaryObject()), join(folder, oid.slice(2))];
  const content = deflateSync(bytes, bytes.length > SMALL_BYTES ? FAST : FAST_AND_SMALL);
  const options = { flag: "wx", mode: 0o444 };
  const isSync = content.length <= MAX_SYNC_BYTES && fileWrites.isFast;
  try {
    await withObjectFolder(folder, async () => {
      if (isSync) fileWrites.run(() => writeFileSync(aside, content, options));
      else await writeFile(aside, content, options);
    });
    if (isSync) fileWrites.run(() => renameSync(aside, place));
    else await rename(aside, place);
  } catch (error) {
    await unlink(aside).catch(() => undefined);
    throw error;
  }
  return oid;
}

/** A new name for an unfinished object, in git's form. */
const temporaryObject = (): string => `tmp_obj_${randomBytes(6).toString("hex")}`;

/**
 * Writes into an object folder, creating it if necessary. A concurrent `git repack` removes empty
 * object folders at any moment, so the write is retried, as git does.
 */
export async function withObjectFolder(folder: string, write: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await write();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || attempt === 5) throw error;
      await mkdir(folder, { recursive: true });
    }
  }
}
