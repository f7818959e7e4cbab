/** Removes the locks of killed git processes, which would block a reference forever. */
import { lstat, readdir, unlink } from "node:fs/promises";
import { join } from "node:path";

/** Git holds a lock for milliseconds. */
const STALE_MS = 60_000;

/**
 * Removes a lock file; returns whether there was one.
 * @param before in milliseconds of `Date.now()`: one written later stays
 */
export async function removeStaleLock(
  path: string,
  before = Date.now() - STALE_MS,
): Promise<boolean> {
  const stats = await lstat(path).catch(() => null);
  if (stats === null || !stats.isFile() || stats.mtimeMs > before) return false;
  return unlink(path).then(
    () => true,
    () => false,
  );
}

/**
 * Removes the locks of references, by default those older than a minute. Call it for a repository at server start, or
 * when a reference cannot be locked. Returns their number.
 */
export async function removeStaleLocks(
  repoPath: string,
  before = Date.now() - STALE_MS,
): Promise<number> {
  let removed = 0;
  const look = async (path: string): Promise<void> => {
    if (await removeStaleLock(path, before)) removed += 1;
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
