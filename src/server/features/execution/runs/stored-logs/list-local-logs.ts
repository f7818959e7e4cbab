import { readdir } from "node:fs/promises";
import { isUuid } from "#shared/uuid.js";
import type { Storage } from "../../../../data-folder/storage.js";
import type { LogOfRun } from "./log-storage.js";

/** Yields the logs of runs in the data folder, some hundred at a time; transcripts are left out. */
export async function* listLocalLogs(storage: Storage): AsyncGenerator<LogOfRun[]> {
  const { logs } = storage;
  for (const orgId of await namesIn(logs)) {
    for (const projectId of (await namesIn(`${logs}/${orgId}`)).filter(isUuid)) {
      const names = await namesIn(storage.runLogs(orgId, projectId));
      const ids = names
        .filter((name) => name.endsWith(".log"))
        .map((name) => name.slice(0, -".log".length))
        .filter(isUuid);
      for (let from = 0; from < ids.length; from += 500) {
        yield ids.slice(from, from + 500).map((runId) => ({ orgId, projectId, runId }));
      }
    }
  }
}

/** Returns the names in a folder; none without it. */
async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
