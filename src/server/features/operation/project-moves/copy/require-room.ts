import { statfs } from "node:fs/promises";
import { ConfigError } from "#shared/node/config-error.js";

/** Room that a copy leaves to all else. */
const RESERVE_BYTES = 1024 ** 3;
const gibibytes = (bytes: number): string => `${(bytes / 1024 ** 3).toFixed(1)} GiB`;

/**
 * Fails unless files of a size fit on the disk of a folder, with a reserve.
 * @throws ConfigError
 */
export async function requireRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (bytes + RESERVE_BYTES <= free) return;
  throw new ConfigError(
    `The files have ${gibibytes(bytes)}, and the disk of the new server has ${gibibytes(free)} free, of which ${gibibytes(RESERVE_BYTES)} stay free`,
  );
}
