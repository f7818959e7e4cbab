import { rm } from "node:fs/promises";
import { listMounts, unmount } from "#server/git/mounts.js";

/** Removes a data folder, also of a server that was killed: what is mounted in it first. */
export async function removeDataFolder(dataDir: string): Promise<void> {
  for (const mount of await listMounts(dataDir)) await unmount(mount);
  await rm(dataDir, { recursive: true, force: true });
}
