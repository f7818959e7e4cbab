import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Storage } from "../../../../data-folder/storage.js";
import { AppError } from "../../../../errors.js";

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

/**
 * Explains why a log or a transcript is missing, if that is its age.
 * @param lastOutput the latest time at which it may have been written to
 * @param days for which logs are kept
 * @throws AppError 410 `log_expired`
 */
export function requireKeptLog(lastOutput: string | null, days: number): void {
  if (lastOutput === null || Date.parse(lastOutput) > Date.now() - days * 86_400_000) return;
  throw new AppError(
    "log_expired",
    `It was deleted ${days} days after its last output; the operator can set OMOI_RUN_LOG_DAYS to keep later ones for longer.`,
  );
}
