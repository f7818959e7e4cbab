import { randomInt } from "node:crypto";
import { stat, utimes } from "node:fs/promises";
import type { DockerApi } from "./docker-api.js";
import { WORKSPACE } from "../sandbox.js";

/**
 * Tells whether a created container sees the workspace at `WORKSPACE`, not an empty folder of the
 * same path in the engine's mount namespace. The folder is marked by its modification time, so that
 * a crash leaves no file behind.
 */
export async function seesWorkspace(
  api: DockerApi,
  container: string,
  folder: string,
): Promise<boolean> {
  const { atime, mtime } = await stat(folder);
  // Whole seconds, since some file systems store no fractions.
  const mark = randomInt(1, 2 ** 31 - 1);
  await utimes(folder, atime, mark);
  try {
    return (await api.modifiedAt(container, WORKSPACE)) === mark;
  } finally {
    await utimes(folder, atime, mtime);
  }
}
