import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Storage } from "../../../data-folder/storage.js";

/** Deletes logs whose last output is older than `days`. */
export async function deleteExpiredLogs(storage: Storage, days: number): Promise<void> {
  const oldest = Date.now() - days * 86_400_000;
  const deleteBelow = async (folder: string, depth: number): Promise<void> => {
    const names = await readdir(folder).catch(() => []);
    for (const name of names) {
      const path = join(folder, name);
      if (depth > 0) await deleteBelow(path, depth - 1);
      else if ((await stat(path)).mtimeMs < oldest) await rm(path, { force: true });
    }
  };
  await deleteBelow(storage.logs, 2);
}
