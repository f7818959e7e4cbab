import { AppError } from "../../../../errors.js";
import { isMissing } from "../../../../object-storage/object-storage-error.js";
import type { ObjectStorage } from "../../../../object-storage/object-storage.js";
import type { ObjectAddress } from "../../../../object-storage/upload-object.js";
import { openLogReader, readLog, type InTurn, type LogReader } from "../logs/log-reader.js";
import { findLogObject, type LogObject } from "../../log-objects/index.js";
import type { LogOfRun, LogStorage } from "./log-storage.js";

/** Bytes per request, also the memory of a reader. */
const WINDOW = 256 * 1024;

/**
 * Opens the log of a run, wherever it is; null when no log exists: nothing was written yet, or the log
 * has expired.
 * @throws AppError 503 `log_unavailable`
 */
export async function openRunLog(
  { db, storage, objects, log }: LogStorage,
  { orgId, projectId, runId }: LogOfRun,
  inTurn: InTurn,
): Promise<LogReader | null> {
  const path = storage.runLog(orgId, projectId, runId);
  const local = await openLogReader(path, inTurn);
  if (local) return local;
  const found = await db.read(orgId, (tx) => findLogObject(tx, runId));
  // A log that is being moved has its file until it is stored; without one, it has expired.
  if (found?.state !== "stored") return null;
  if (objects === null) {
    throw new AppError(
      "log_unavailable",
      "The log was moved to an object storage that this server is not set up for; ask the operator to set OMOI_S3_ENDPOINT again.",
    );
  }
  const source = openObject(objects, found, (error) => {
    log.warn({ err: error, run: runId }, "cannot read a log in the object storage");
  });
  await source.prepare(0, Math.min(WINDOW, source.bytes));
  return readLog(source, inTurn);
}

interface Source {
  bytes: number;
  prepare(offset: number, length: number): Promise<void>;
  bytesAt(offset: number, length: number): Promise<Buffer>;
  size(): Promise<number>;
  close(): Promise<void>;
}

/** Reads an object through a window that moves with the reader. */
function openObject(
  objects: ObjectStorage,
  { bucket, object_key, bytes }: LogObject,
  failed: (error: unknown) => void,
): Source {
  const total = bytes ?? 0;
  const object: ObjectAddress = { bucket, key: object_key };
  let start = 0;
  let window: Buffer = Buffer.alloc(0);
  const prepare = async (offset: number, length: number): Promise<void> => {
    const end = Math.min(offset + length, total);
    if (offset >= end || (offset >= start && end <= start + window.length)) return;
    // A reader that goes backwards gets the bytes before its place.
    const isBack = window.length > 0 && offset < start;
    const from = isBack ? Math.max(0, Math.min(offset, end - WINDOW)) : offset;
    const to = isBack ? end : Math.min(total, Math.max(end, offset + WINDOW));
    try {
      window = await objects.readRange(object, from, to);
      start = from;
    } catch (error) {
      failed(error);
      throw unavailable(error);
    }
  };
  return {
    bytes: total,
    prepare,
    bytesAt: async (offset, length) => {
      await prepare(offset, length);
      const at = offset - start;
      return offset >= total ? Buffer.alloc(0) : window.subarray(at, at + length);
    },
    size: () => Promise.resolve(total),
    close: () => {
      window = Buffer.alloc(0);
      return Promise.resolve();
    },
  };
}

function unavailable(error: unknown): AppError {
  return isMissing(error)
    ? new AppError(
        "log_unavailable",
        "The log is missing in the object storage; ask the operator to restore it.",
      )
    : new AppError(
        "log_unavailable",
        "The object storage that has the log does not answer; try again in a moment.",
        { headers: { "retry-after": "10" } },
      );
}
