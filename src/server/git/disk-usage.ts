/** What folders take up on the disk. */
import { FolderHandle, pauses } from "./folder-handle.js";

/**
 * The bytes on the disk of a folder and all below it, nothing being followed; a file of several names
 * counts once. 0 where there is no such folder. What vanishes meanwhile does not count.
 */
export async function measureTree(path: string): Promise<number> {
  let root: FolderHandle;
  try {
    root = FolderHandle.open(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw error;
  }
  const seen = new Set<string>();
  const pause = pauses();
  const measure = async (folder: FolderHandle): Promise<number> => {
    let bytes = folder.stats().blocks * BLOCK;
    for (const { name } of folder.list()) {
      await pause();
      const stats = folder.find(name);
      if (stats === null) continue;
      if (stats.isDirectory()) {
        bytes += await measureChild(folder, name);
      } else if (stats.nlink === 1 || !seen.has(`${stats.dev} ${stats.ino}`)) {
        if (stats.nlink > 1) seen.add(`${stats.dev} ${stats.ino}`);
        bytes += stats.blocks * BLOCK;
      }
    }
    return bytes;
  };
  const measureChild = async (folder: FolderHandle, name: string): Promise<number> => {
    const child = folder.openChild(name);
    if (child === null) return 0;
    try {
      return await measure(child);
    } finally {
      child.close();
    }
  };
  try {
    return await measure(root);
  } finally {
    root.close();
  }
}

/** The unit of `st_blocks`, whatever the file system's own blocks are (stat(2)). */
const BLOCK = 512;
