/** Folders that appear whole or not at all, and folders that disappear whatever is in them. */
import { randomBytes } from "node:crypto";
import { chmod, lstat, mkdir, readdir, rename, rm, rmdir, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { runSystem } from "../process/system-command.js";

const SLASH = Buffer.from("/");

/** Whether anything, a dangling symbolic link too, is at `path`. */
export async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

/**
 * Where something stands beside `path` while it is made or removed. One name for each, so that what a call
 * that was cut off left is found without reading the folder, which may hold thousands.
 */
export function temporaryName(path: string, label: string): string {
  return `${path}.${label}`;
}

/** Removes what a call that was cut off left beside `path` under `temporaryName(path, label)`. */
export async function removeLeftovers(path: string, label: string): Promise<void> {
  await removeTree(temporaryName(path, label));
}

/**
 * Calls `build` with the path of a new folder beside `target` and renames that folder to `target`
 * when it is done, so that `target` is whole or missing. Whatever an earlier call that was cut off
 * left is removed first. One call at a time for one target. Throws what `build` throws, having
 * cleaned up, or ENOTEMPTY where `target` exists.
 */
export async function createDirectoryAtomically<T>(
  target: string,
  build: (folder: string) => Promise<T>,
): Promise<T> {
  await mkdir(dirname(target), { recursive: true });
  await removeLeftovers(target, "creating");
  const folder = temporaryName(target, "creating");
  await mkdir(folder, { mode: 0o755 });
  try {
    const result = await build(folder);
    await rename(folder, target);
    return result;
  } catch (error) {
    await removeTree(folder);
    throw error;
  }
}

/**
 * Has all that was written below `folder` be on the disk, before a rename makes it count: else a power
 * failure leaves whole folders of empty files. One call for the file system, since one for each file
 * takes milliseconds each.
 */
export async function flushToDisk(folder: string): Promise<void> {
  await runSystem("sync", ["-f", "--", folder], { timeoutMs: 10 * 60_000 });
}

/**
 * Removes `path` and all below it; nothing there is no error. Symbolic links are removed, never
 * followed. Copes with what a hostile owner of the files leaves: folders without permissions,
 * names that are no text, trees deeper than a path can name. Nobody may write there meanwhile.
 */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch {
    // What failed may still be at work below: things may vanish under our hands for a moment.
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await removeFlattening(path);
      } catch (error) {
        if (attempt === 5) throw error;
        await new Promise((resolve) => setTimeout(resolve, 20 * attempt));
      }
    }
  }
}

/** Lifts every folder to the top before it is emptied, so that no path gets longer. */
async function removeFlattening(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => null);
  if (stats === null) return;
  if (!stats.isDirectory()) return unlink(path);
  const root = Buffer.from(path);
  const pending = [root];
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    await chmod(folder, 0o700);
    for (const entry of await readdir(folder, { withFileTypes: true, encoding: "buffer" })) {
      const child = Buffer.concat([folder, SLASH, entry.name]);
      if (!entry.isDirectory()) {
        await unlink(child);
      } else if (folder === root) {
        pending.unshift(child);
      } else {
        const lifted = Buffer.concat([root, SLASH, Buffer.from(randomBytes(12).toString("hex"))]);
        await chmod(child, 0o700);
        await rename(child, lifted);
        pending.push(lifted);
      }
    }
    if (folder !== root) await rmdir(folder);
  }
  await rmdir(root);
}
