/** Changes a tree's owner to the sandbox user. */
import { chown } from "node:fs/promises";
import { FolderCursor, pauses, type Owner } from "./folder-handle.js";

/**
 * Changes the owner of the folder and everything in it; symbolic links themselves, not their
 * targets. Entries with the right owner stay untouched, since a change would make them look edited.
 * With `changed`, a folder that contains at least all changes (an overlay's upper layer), only
 * entries in both folders are visited. The folder itself comes last. No process of the owner may be running.
 * @throws the system error; EPERM without the privilege to change owners
 */
export async function chownTree(folder: string, owner: Owner, changed?: string): Promise<void> {
  const at = FolderCursor.open(folder);
  let changedAt: FolderCursor | null = null;
  try {
    if (changed !== undefined) changedAt = FolderCursor.open(changed);
    await giveBelow(at, owner, changedAt);
    const { uid, gid } = at.folder.stats();
    if (uid !== owner.uid || gid !== owner.gid) await chown(folder, owner.uid, owner.gid);
  } finally {
    at.close();
    changedAt?.close();
  }
}

async function giveBelow(
  at: FolderCursor,
  owner: Owner,
  changed: FolderCursor | null,
): Promise<void> {
  const pause = pauses();
  // The remaining names of each folder on the way.
  const levels = [at.names()];
  for (;;) {
    const name = levels.at(-1)?.pop();
    if (name === undefined) {
      levels.pop();
      if (levels.length === 0) return;
      at.leave();
      changed?.leave();
      continue;
    }
    await pause();
    if (changed !== null && changed.folder.find(name) === null) continue;
    const stats = at.folder.find(name);
    if (stats === null) continue;
    if (stats.uid !== owner.uid || stats.gid !== owner.gid) at.folder.give(name, owner);
    if (!stats.isDirectory() || changed?.enter(name) === false) continue;
    if (at.enter(name)) levels.push(at.names());
    else changed?.leave();
  }
}
