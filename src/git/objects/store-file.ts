/** Stores files of any size from a folder that may change concurrently. */
import { pipeline } from "node:stream/promises";
import { spawnGit, type GitOptions } from "../process/run.js";
import type { SafeFolder } from "../files/safe-folder.js";

/**
 * Streams the regular file at `path` (latin1 bytes) into the object store; `read` receives its
 * bytes. Returns its id and executable bit (of the owner), or null if there is no readable file.
 * @throws GitError
 */
export async function storeFile(
  safe: SafeFolder,
  options: GitOptions,
  path: string,
  read?: (piece: Buffer) => void,
): Promise<{ oid: string; isExecutable: boolean } | null> {
  const handle = await safe.openFile(path);
  if (handle === null) return null;
  try {
    const { size, mode } = await handle.stat();
    const child = spawnGit(["hash-object", "-w", "--stdin"], { ...options, stdin: "pipe" });
    const stored = child.stdout.toArray();
    if (child.stdin === null) throw new Error("git was started without an input");
    // The file may be growing: read no more than its current size.
    const content = handle.createReadStream({
      autoClose: false,
      start: 0,
      end: Math.max(0, size - 1),
    });
    content.on("data", (piece) => read?.(piece as Buffer));
    await pipeline(content, child.stdin);
    await child.done;
    const oid = Buffer.concat((await stored) as Buffer[])
      .toString("latin1")
      .trim();
    return { oid, isExecutable: (mode & 0o100) !== 0 };
  } finally {
    await handle.close();
  }
}
