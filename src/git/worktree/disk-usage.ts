/** Measures the disk usage of folders. */
import { FolderCursor, pauses } from "./folder-handle.js";

/**
 * Returns the bytes on disk of a folder and everything below it, at any depth. Symbolic links are
 * not followed, a file with several names counts once, and files that vanish meanwhile or lie in
 * folders that the server cannot read do not count. A missing folder has 0 bytes.
 * @throws FolderMovedError if a folder was moved during the measurement; measure again
 */
export async function measureTree(path: string): Promise<number> {
  let at: FolderCursor;
  try {
    at = FolderCursor.open(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw error;
  }
  try {
    return await measureBelow(at);
  } finally {
    at.close();
  }
}

/** The unit of `st_blocks`, independent of the file system's block size (stat(2)). */
const BLOCK = 512;

async function measureBelow(at: FolderCursor): Promise<number> {
  const pause = pauses();
  const seen = new Set<string>();
  let blocks = at.folder.stats().blocks;
  // The remaining names of each folder on the way.
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
      const names = namesIn(at, name);
      if (names === null) continue;
      blocks += at.folder.stats().blocks;
      levels.push(names);
    } else if (stats.nlink === 1 || !seen.has(`${stats.dev} ${stats.ino}`)) {
      if (stats.nlink > 1) seen.add(`${stats.dev} ${stats.ino}`);
      blocks += stats.blocks;
    }
  }
}

/** Enters a folder and returns its names; null if it is gone or unreadable, and then stays. */
function namesIn(at: FolderCursor, name: string): string[] | null {
  try {
    if (!at.enter(name)) return null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EACCES") return null;
    throw error;
  }
  return at.names();
}
