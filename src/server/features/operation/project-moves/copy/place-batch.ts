import type { Stats } from "node:fs";
import { lstat, rename } from "node:fs/promises";
import { removeTree } from "#git/files/atomic-directory.js";
import type { FileEntry } from "./file-list.js";
import { copyParts } from "../project-files.js";
import { parentOf, placeOf, realFolders } from "./real-folders.js";

/**
 * Moves entries that have arrived in an empty folder into place. Left out is what has another type than its entry of
 * the list, or is not below real folders: it has changed meanwhile.
 * @returns the paths that were left out, or have not arrived
 */
export async function placeBatch(
  from: string,
  to: string,
  batch: readonly FileEntry[],
): Promise<string[]> {
  const arrived = realFolders(from);
  const placed = realFolders(to);
  const folders: string[] = [];
  const missing: string[] = [];
  for (const { path, type } of batch) {
    const place = placeOf(from, path);
    const isReachable = await arrived.has(parentOf(path));
    const stats = isReachable ? await lstat(place).catch(() => null) : null;
    if (stats === null || typeOf(stats) !== type) {
      missing.push(path);
      continue;
    }
    if (type === "d") {
      await placed.make(path);
      folders.push(path);
      continue;
    }
    await placed.make(parentOf(path));
    await moveTo(place, placeOf(to, path));
  }
  // A folder may have entries at its place: what it has itself is copied.
  if (folders.length > 0) await copyParts(from, to, folders, ["--no-recursion"]);
  return missing;
}

async function moveTo(from: Buffer, to: Buffer): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EISDIR" && code !== "ENOTEMPTY") throw error;
    await removeTree(to);
    await rename(from, to);
  }
}

/** As find(1) names it. */
function typeOf(stats: Stats): string {
  if (stats.isFile()) return "f";
  if (stats.isDirectory()) return "d";
  if (stats.isSymbolicLink()) return "l";
  if (stats.isFIFO()) return "p";
  if (stats.isCharacterDevice()) return "c";
  return stats.isBlockDevice() ? "b" : "s";
}
