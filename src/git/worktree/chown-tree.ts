/** Giving folders to whom agents' commands run as. */
import { chown } from "node:fs/promises";
import { FolderCursor, FolderHandle, pauses, type Owner } from "./folder-handle.js";

/**
 * Gives the folder and all in it to `owner`, links themselves and not what they name; what is his
 * already is left as it is, since a change would make it look edited. With `changed`, a folder that
 * holds no more than what may differ (an overlay's upper layer), only what is in both is looked at.
 *
 * Throws what the system says, EPERM without the right to give files away. No process of the owner
 * may be alive.
 */
export async function chownTree(folder: string, owner: Owner, changed?: string): Promise<void> {
  const root = FolderHandle.open(folder);
  const at = new FolderCursor(root);
  const changedAt = changed === undefined ? null : new FolderCursor(FolderHandle.open(changed));
  try {
    const { uid, gid } = root.stats();
    if (uid !== owner.uid || gid !== owner.gid) await chown(folder, owner.uid, owner.gid);
    await giveBelow(at, owner, changedAt);
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
  // The names that are still to be looked at, of the folder and of those it is in.
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
