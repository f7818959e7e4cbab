import { explainFailure } from "../../../../object-storage/object-storage-error.js";
import { expireLogObjects, releaseAllUploads } from "../../log-objects/index.js";
import { requestLogSync, type LogStorage } from "./log-storage.js";
import { sweepLogObjects } from "./sweep-log-objects.js";

/** Interval at which logs are moved whose job was lost, or met an outage. */
const SYNC_MS = 30_000;
const DAY_MS = 86_400_000;

export interface LogWatch {
  /** Checks the bucket in the background, so that an outage does not delay the start. */
  start(): Promise<void>;
  /** Marks expired objects, and looks for orphans once a day. */
  hourly(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Watches the logs of ended runs.
 * @param isAlone whether no other process uses the data folder: earlier uploads have then ended
 */
export function watchLogs(deps: LogStorage, days: number, isAlone: boolean): LogWatch {
  const { db, objects, target, endpoint, log } = deps;
  let timer: NodeJS.Timeout | undefined;
  let sweptAt = Date.now();
  let checking = Promise.resolve();
  const request = (): void => {
    requestLogSync(deps).catch((error: unknown) => {
      log.warn({ err: error }, "the job that moves logs was not sent; it is sent later");
    });
  };
  return {
    start: async () => {
      if (objects === null) return;
      if (isAlone) await db.withSystem("end uploads of earlier processes", releaseAllUploads);
      request();
      timer = setInterval(request, SYNC_MS).unref();
      if (target === null) return;
      checking = objects.probe(target.bucket).catch((error: unknown) => {
        log.warn({ err: error }, explainFailure(error, endpoint, target.bucket));
      });
    },
    hourly: async () => {
      await db.withSystem("expire logs in the object storage", (tx) => expireLogObjects(tx, days));
      if (objects === null || target === null || Date.now() - sweptAt < DAY_MS) return;
      sweptAt = Date.now();
      await sweepLogObjects(deps, objects);
    },
    stop: async () => {
      clearInterval(timer);
      await checking;
    },
  };
}
