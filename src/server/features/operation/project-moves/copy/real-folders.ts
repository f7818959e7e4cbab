import { lstat, mkdir, unlink } from "node:fs/promises";

/** A path below a folder. Names are bytes, as latin1 text. */
export const placeOf = (folder: string, path: string): Buffer =>
  Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(path, "latin1")]);
/** The folder around an entry; an empty text at the top. */
export const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf("/")));

/** The folders on the way to entries of untrusted trees, where a symbolic link would lead elsewhere. */
export interface RealFolders {
  /** Whether a path and all folders above it are folders, and not links. */
  has(path: string): Promise<boolean>;
  /** Makes folders, in place of what is none. */
  make(path: string): Promise<void>;
}

/** It remembers what it has found: it is for the time in which no other process changes the folder. */
export function realFolders(root: string): RealFolders {
  const found = new Map<string, boolean>([["", true]]);
  const has = async (path: string): Promise<boolean> => {
    const known = found.get(path);
    if (known !== undefined) return known;
    const isReal =
      (await has(parentOf(path))) &&
      ((await lstat(placeOf(root, path)).catch(() => null))?.isDirectory() ?? false);
    found.set(path, isReal);
    return isReal;
  };
  const make = async (path: string): Promise<void> => {
    if (await has(path)) return;
    await make(parentOf(path));
    const place = placeOf(root, path);
    await unlink(place).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
    });
    await mkdir(place, { mode: 0o700 });
    found.set(path, true);
  };
  return { has, make };
}
