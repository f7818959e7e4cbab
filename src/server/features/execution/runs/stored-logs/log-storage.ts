import type { Logger } from "pino";
import type { Config } from "../../../../config/config.js";
import type { Storage } from "../../../../data-folder/storage.js";
import type { Database } from "../../../../db/connection/connect.js";
import type { Jobs } from "../../../../jobs/queue.js";
import {
  openObjectStorage,
  type ObjectStorage,
} from "../../../../object-storage/object-storage.js";
import { readLogStorageId } from "../../log-objects/index.js";

/** The places of logs: the data folder, and the object storage if the operator set one. */
export interface LogStorage {
  db: Database;
  jobs: Jobs;
  storage: Storage;
  log: Logger;
  /** Null: logs that were moved earlier cannot be read. */
  objects: ObjectStorage | null;
  endpoint: string;
  /** The target of ended logs; null: they stay in the data folder. */
  target: LogTarget | null;
}

export interface LogTarget {
  bucket: string;
  /** Returns the beginning of the keys of this installation's logs; it ends with a slash. */
  prefix(): Promise<string>;
}

/** The log of a run. */
export interface LogOfRun {
  orgId: string;
  projectId: string;
  runId: string;
}

export function createLogStorage(
  input: Pick<LogStorage, "db" | "jobs" | "storage" | "log"> & {
    settings: Pick<Config, "objectStorage">;
  },
): LogStorage {
  const { db, jobs, storage, log } = input;
  const { objectStorage } = input.settings;
  const logs = objectStorage?.logs ?? null;
  let prefix: Promise<string> | undefined;
  const readPrefix = async (own: string): Promise<string> => {
    const id = await db.withSystem("read the id of the log storage", readLogStorageId);
    return `${own === "" ? "" : `${own}/`}logs/${id}/`;
  };
  return {
    db,
    jobs,
    storage,
    log,
    objects: objectStorage && openObjectStorage(objectStorage),
    endpoint: objectStorage?.endpoint ?? "",
    target: logs && {
      bucket: logs.bucket,
      prefix: () => {
        prefix ??= readPrefix(logs.prefix).catch((error: unknown) => {
          prefix = undefined;
          throw error;
        });
        return prefix;
      },
    },
  };
}

/** Sends the job that moves and deletes logs; at most one waits. */
export function requestLogSync({
  jobs,
  objects,
}: Pick<LogStorage, "jobs" | "objects">): Promise<void> {
  return objects === null ? Promise.resolve() : jobs.send("sync-logs", {});
}
