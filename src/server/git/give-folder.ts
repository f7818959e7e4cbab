/** Giving folders to whom agents' commands run as. */
import { chown } from "node:fs/promises";
import { FolderHandle, pauses, type Owner } from "./folder-handle.js";

/**
 * Gives the folder and all in it to `owner`, links themselves and not what they name; what is his
 * already is left as it is, since a change would make it look edited. With `changed`, a folder that
 * holds no more than what may differ (an overlay's upper layer), only what is in both is looked at.
 *
 * Throws what the system says, EPERM without the right to give files away. No process of the owner
 * may be alive.
 */
export async function giveFolder(folder: string, owner: Owner, changed?: string): Promise<void> {
  const root = FolderHandle.open(folder);
  const upper = changed === undefined ? null : FolderHandle.open(changed);
  try {
    const { uid, gid } = root.stats();
    if (uid !== owner.uid || gid !== owner.gid) await chown(folder, owner.uid, owner.gid);
    await giveBelow(root, owner, upper, pauses());
  } finally {
    root.close();
    upper?.close();
  }
}

async function giveBelow(
  folder: FolderHandle,
  owner: Owner,
  changed: FolderHandle | null,
  pause: () => Promise<void>,
): Promise<void> {
  for (const entry of folder.list()) {
    await pause();
    if (changed !== null && changed.find(entry.name) === null) continue;
    const stats = folder.find(entry.name);
    if (stats === null) continue;
    if (stats.uid !== owner.uid || stats.gid !== owner.gid) folder.give(entry.name, owner);
    if (!stats.isDirectory()) continue;
    const child = folder.openChild(entry.name);
    if (child === null) continue;
    const upper = changed?.openChild(entry.name) ?? null;
    try {
      if (changed === null || upper !== null) await giveBelow(child, owner, upper, pause);
    } finally {
      child.close();
      upper?.close();
    }
  }
}
