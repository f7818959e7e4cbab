import { rm, stat } from "node:fs/promises";
import {
  ObjectStorageError,
  explainFailure,
} from "../../../../object-storage/object-storage-error.js";
import type { ObjectStorage } from "../../../../object-storage/object-storage.js";
import { listLocalLogs } from "./list-local-logs.js";
import * as queries from "../../log-objects/index.js";
import { requestLogSync, type LogOfRun, type LogStorage, type LogTarget } from "./log-storage.js";
import { storeLog } from "./store-log.js";

/** Logs that a process moves at the same time: each takes up to two parts of memory. */
const UPLOADS = 2;
/** Duration after which the job ends and another one continues, which may be of another process. */
const MAX_MS = 10 * 60_000;
const DELETIONS = 200;

/**
 * Moves the logs of ended runs to the object storage, and deletes expired objects. Stops at the first
 * outage: the next job tries again.
 */
export async function syncLogs(deps: LogStorage, signal: AbortSignal): Promise<void> {
  const { objects, target, endpoint, log } = deps;
  if (objects === null) return;
  const until = Date.now() + MAX_MS;
  try {
    await deleteLogObjects(deps, objects, signal);
    if (target === null) return;
    for await (const logs of listLocalLogs(deps.storage)) {
      const toStore = await listLogsToStore(deps, logs);
      await forEachOf(toStore, async (runLog) => {
        if (!signal.aborted && Date.now() < until)
          await storeOne(deps, objects, target, runLog, signal);
      });
      if (signal.aborted) return;
      if (Date.now() >= until) return await requestLogSync(deps);
    }
  } catch (error) {
    if (signal.aborted) return;
    if (!(error instanceof ObjectStorageError)) throw error;
    log.warn({ err: error }, explainFailure(error, endpoint, target?.bucket ?? ""));
  }
}

/** Returns the logs to move, and finishes moves that were interrupted before the file was deleted. */
async function listLogsToStore(
  { db, storage }: LogStorage,
  logs: readonly LogOfRun[],
): Promise<LogOfRun[]> {
  const states = await db.withSystem("find logs to store", (tx) =>
    queries.listLocalLogStates(
      tx,
      logs.map(({ runId }) => runId),
    ),
  );
  const byRun = new Map(states.map((state) => [state.run_id, state]));
  const toStore: LogOfRun[] = [];
  for (const log of logs) {
    const found = byRun.get(log.runId);
    if (found?.is_final !== true) continue;
    const path = storage.runLog(log.orgId, log.projectId, log.runId);
    const size = await stat(path).then(
      (file) => file.size,
      () => null,
    );
    if (size === null) continue;
    const isMoved = found.state === "stored" && found.bytes === size;
    if (isMoved || found.state === "deleting") await rm(path, { force: true });
    else toStore.push(log);
  }
  return toStore;
}

/** Moves one log. An error of its own does not keep the others from being moved; an outage does. */
async function storeOne(
  deps: LogStorage,
  objects: ObjectStorage,
  target: LogTarget,
  runLog: LogOfRun,
  signal: AbortSignal,
): Promise<void> {
  try {
    await storeLog(deps, objects, target, runLog, signal);
  } catch (error) {
    if (signal.aborted || error instanceof ObjectStorageError) throw error;
    deps.log.error({ err: error, run: runLog.runId }, "cannot move a log to the object storage");
  }
}

/** Deletes the objects that are marked for deletion, and then their rows. */
async function deleteLogObjects(
  { db }: LogStorage,
  objects: ObjectStorage,
  signal: AbortSignal,
): Promise<void> {
  let after: string | null = null;
  while (!signal.aborted) {
    const last: string | null = after;
    const found: queries.LogObjectToDelete[] = await db.withSystem(
      "find expired logs in the object storage",
      (tx) => queries.listLogObjectsToDelete(tx, last, DELETIONS),
    );
    await forEachOf(found, async ({ org_id, run_id, bucket, object_key }) => {
      await objects.delete({ bucket, key: object_key });
      await db.tenant(org_id, (tx) => queries.removeLogObject(tx, run_id));
    });
    after = found.at(-1)?.run_id ?? null;
    if (found.length < DELETIONS) return;
  }
}

/** Works on the items, `UPLOADS` at a time; the first error ends it after the work under way. */
async function forEachOf<Item>(
  items: readonly Item[],
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const left = [...items].toReversed();
  let failure: { error: unknown } | null = null;
  const take = async (): Promise<void> => {
    for (let item = left.pop(); item !== undefined && failure === null; item = left.pop()) {
      try {
        await work(item);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: UPLOADS }, take));
  if (failure !== null) throw (failure as { error: unknown }).error;
}
