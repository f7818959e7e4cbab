import { statfs } from "node:fs/promises";

const MIB = 1024 ** 2;

/** Free space below which the disk counts as full: PostgreSQL and git need some to end what they have begun. */
export const RESERVE_BYTES = 128 * MIB;
/** Free space from which it no longer does. The difference keeps the answer from changing with each file. */
export const RECOVERED_BYTES = 256 * MIB;

/**
 * Returns a check that finds why the disk counts as full; null if it does not.
 * @param readFree returns the free bytes
 */
export function createDiskCheck(readFree: () => Promise<number>): () => Promise<string | null> {
  let isFull = false;
  return async () => {
    const free = await readFree();
    isFull = free < (isFull ? RECOVERED_BYTES : RESERVE_BYTES);
    if (!isFull) return null;
    const needed = RECOVERED_BYTES / MIB;
    return `the data folder's disk has ${Math.floor(free / MIB)} MiB free; free ${needed} MiB`;
  };
}

/** Returns the bytes of a folder's disk that the server can use. */
export async function readFreeBytes(folder: string): Promise<number> {
  const { bsize, bavail } = await statfs(folder);
  return bavail * bsize;
}
