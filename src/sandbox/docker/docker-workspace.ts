import { randomInt } from "node:crypto";
import { stat, utimes } from "node:fs/promises";
import type { DockerApi } from "./docker-api.js";
import { WORKSPACE } from "../sandbox.js";

/**
 * Whether a container that is not started yet has the workspace at `WORKSPACE`, and not an empty folder of
 * the same path in the engine's own mount namespace. The folder is marked by its modification time, so
 * that a crash leaves no file in it.
 */
export async function seesWorkspace(
  api: DockerApi,
  container: string,
  folder: string,
): Promise<boolean> {
  const { atime, mtime } = await stat(folder);
  // Seconds, since some file systems keep no more.
  const mark = randomInt(1, 2 ** 31 - 1);
  await utimes(folder, atime, mark);
  try {
    return (await api.modifiedAt(container, WORKSPACE)) === mark;
  } finally {
    await utimes(folder, atime, mtime);
  }
}
