import { removeTree } from "#git/files/atomic-directory.js";
import { listMounts, unmount } from "#git/worktree/mounts.js";

/** Unmounts and removes a data folder, including that of a killed server. */
export async function removeDataFolder(dataDir: string): Promise<void> {
  for (const mount of await listMounts(dataDir)) await unmount(mount);
  // Attacks leave paths that are too long for a plain removal.
  await removeTree(dataDir);
}
