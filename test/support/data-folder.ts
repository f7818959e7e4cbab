import { removeTree } from "#git/worktree/atomic-directory.js";
import { listMounts, unmount } from "#git/worktree/mounts.js";

/** Removes a data folder, also of a server that was killed: what is mounted in it first. */
export async function removeDataFolder(dataDir: string): Promise<void> {
  for (const mount of await listMounts(dataDir)) await unmount(mount);
  // Attacks leave paths that are too long for plain removal.
  await removeTree(dataDir);
}
