/** Creates folders atomically, and removes folders whatever they contain. */
import { randomBytes } from "node:crypto";
import { chmod, lstat, mkdir, readdir, rename, rm, rmdir, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { runSystem } from "../process/system-command.js";

const SLASH = Buffer.from("/");

/** Tells whether `path` exists, including dangling symbolic links. */
export async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

/**
 * Returns the temporary name beside `path` while it is created or removed. The fixed name lets a
 * later call find the remains of an interrupted one without listing the parent, which may hold
 * thousands of entries.
 */
export function temporaryName(path: string, label: string): string {
  return `${path}.${label}`;
}

/** Removes the remains of an interrupted call at `temporaryName(path, label)`. */
export async function removeLeftovers(path: string, label: string): Promise<void> {
  await removeTree(temporaryName(path, label));
}

/**
 * Calls `build` with a new folder beside `target` and renames it to `target` afterwards, so that
 * `target` is complete or missing. Removes the remains of an interrupted call first. One call at a
 * time per target.
 * @throws the error of `build`, after cleaning up; ENOTEMPTY if `target` exists
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
 * Flushes everything below `folder` to disk before a rename publishes it; otherwise a power failure
 * could leave complete folders of empty files. One call for the whole file system, since a call per
 * file takes milliseconds each.
 */
export async function flushToDisk(folder: string): Promise<void> {
  await runSystem("sync", ["-f", "--", folder], { timeoutMs: 10 * 60_000 });
}

/**
 * Removes `path` and everything below it; a missing path is not an error. Symbolic links are
 * removed, never followed. Handles hostile trees: folders without permissions, names that are not
 * text, trees deeper than a path can name. No other process may write there.
 */
export async function removeTree(path: string | Buffer): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch {
    // The failed call may still be working below: entries can vanish for a moment.
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

/** Moves every folder to the top before emptying it, so that no path gets longer. */
async function removeFlattening(path: string | Buffer): Promise<void> {
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
