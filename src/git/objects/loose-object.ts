/** Storing a single object without starting git, as git itself stores one. */
import { createHash, randomBytes } from "node:crypto";
import { mkdir, rename, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { deflateSync } from "node:zlib";

/** An object that is not stored yet: its id, and the bytes that the id is of. */
export interface LooseObject {
  oid: string;
  bytes: Buffer;
}

/** The object of that type and content. */
export function looseObject(type: "commit" | "tree" | "blob", content: Buffer): LooseObject {
  const bytes = Buffer.concat([Buffer.from(`${type} ${content.length}\0`), content]);
  return { oid: createHash("sha1").update(bytes).digest("hex"), bytes };
}

/**
 * Stores the object and answers its id. It appears whole or not at all: what a stop leaves is named
 * as git names it, and removed by `git prune`. An object that is there already stays.
 */
export async function writeObject(repoPath: string, { oid, bytes }: LooseObject): Promise<string> {
  const folder = join(repoPath, "objects", oid.slice(0, 2));
  const aside = join(folder, `tmp_obj_${randomBytes(6).toString("hex")}`);
  const content = deflateSync(bytes, { level: 1 });
  const write = () => writeFile(aside, content, { flag: "wx", mode: 0o444 });
  try {
    await intoFolder(folder, write);
    await rename(aside, join(folder, oid.slice(2)));
  } catch (error) {
    await unlink(aside).catch(() => undefined);
    throw error;
  }
  return oid;
}

/**
 * Writes into a folder of objects, which is made where it is not there. Packing removes such a folder when
 * it is empty, at any moment: then it is made once more, as git does.
 */
export async function intoFolder(folder: string, write: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await write();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || attempt === 5) throw error;
      await mkdir(folder, { recursive: true });
    }
  }
}
