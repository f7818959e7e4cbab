/** Removes the locks of killed git processes, which would block a reference forever. */
import { lstat, readdir, unlink } from "node:fs/promises";
import { join } from "node:path";

/** Removes a lock file older than `olderThanMs`; returns whether there was one. */
export async function removeStaleLock(path: string, olderThanMs = 60_000): Promise<boolean> {
  const stats = await lstat(path).catch(() => null);
  if (stats === null || !stats.isFile() || stats.mtimeMs > Date.now() - olderThanMs) return false;
  return unlink(path).then(
    () => true,
    () => false,
  );
}

/**
 * Removes reference locks older than `olderThanMs` (60 000 by default; git holds them for
 * milliseconds). Call it for a repository at server start, or when a reference cannot be locked.
 * Returns their number.
 */
export async function removeStaleLocks(repoPath: string, olderThanMs = 60_000): Promise<number> {
  let removed = 0;
  const look = async (path: string): Promise<void> => {
    if (await removeStaleLock(path, olderThanMs)) removed += 1;
  };
  const walk = async (folder: string): Promise<void> => {
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) await walk(path);
      else if (entry.name.endsWith(".lock")) await look(path);
    }
  };
  for (const name of ["HEAD.lock", "packed-refs.lock", "config.lock"])
    await look(join(repoPath, name));
  await walk(join(repoPath, "refs"));
  return removed;
}
