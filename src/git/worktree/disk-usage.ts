/** The disk space of folders. */
import { FolderCursor, FolderHandle, pauses } from "./folder-handle.js";

/**
 * Returns the bytes on the disk of a folder and all below it, however deep. Symbolic links are not
 * followed, a file with several names counts once, and files that vanish meanwhile do not count. A missing
 * folder has 0 bytes.
 * @throws FolderMovedError where a folder was moved while it was measured; measure again
 */
export async function measureTree(path: string): Promise<number> {
  let root: FolderHandle;
  try {
    root = FolderHandle.open(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw error;
  }
  const at = new FolderCursor(root);
  try {
    return await measureBelow(at);
  } finally {
    at.close();
  }
}

/** The unit of `st_blocks`, whatever the file system's own blocks are (stat(2)). */
const BLOCK = 512;

async function measureBelow(at: FolderCursor): Promise<number> {
  const pause = pauses();
  const seen = new Set<string>();
  let blocks = at.folder.stats().blocks;
  // The names that are still to be looked at, of the folder and of those it is in.
  const levels = [at.names()];
  for (;;) {
    const name = levels.at(-1)?.pop();
    if (name === undefined) {
      levels.pop();
      if (levels.length === 0) return blocks * BLOCK;
      at.leave();
      continue;
    }
    await pause();
    const stats = at.folder.find(name);
    if (stats === null) continue;
    if (stats.isDirectory()) {
      if (!at.enter(name)) continue;
      blocks += at.folder.stats().blocks;
      levels.push(at.names());
    } else if (stats.nlink === 1 || !seen.has(`${stats.dev} ${stats.ino}`)) {
      if (stats.nlink > 1) seen.add(`${stats.dev} ${stats.ino}`);
      blocks += stats.blocks;
    }
  }
}
