import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { rm, stat } from "node:fs/promises";
import { ObjectStorageError } from "../../../../object-storage/object-storage-error.js";
import type { ObjectStorage } from "../../../../object-storage/object-storage.js";
import { lastLineOfLog } from "../logs/last-line.js";
import * as queries from "../../log-objects/index.js";
import type { LogOfRun, LogStorage, LogTarget } from "./log-storage.js";

/** Interval at which the lease of an upload is extended. */
const EXTEND_MS = 30_000;

/**
 * Moves the log of an ended run to the object storage: reserves a row, uploads the log, reads it back,
 * records it, and only then deletes the file. Each step can be repeated after a crash. Does nothing while
 * another process moves it.
 * @throws ObjectStorageError
 */
export async function storeLog(
  { db, storage }: Pick<LogStorage, "db" | "storage">,
  objects: ObjectStorage,
  target: LogTarget,
  { orgId, projectId, runId }: LogOfRun,
  stopping: AbortSignal,
): Promise<void> {
  const path = storage.runLog(orgId, projectId, runId);
  const key = `${await target.prefix()}${orgId}/${projectId}/${runId}.log`;
  const { bucket } = target;
  const isReserved = await db.tenant(orgId, (tx) =>
    queries.reserveUpload(tx, { runId, orgId, projectId, bucket, key }),
  );
  if (!isReserved) return;
  const lost = new AbortController();
  const timer = setInterval(() => {
    db.tenant(orgId, (tx) => queries.extendUpload(tx, runId)).then(
      (isMine) => isMine || lost.abort(),
      () => lost.abort(),
    );
  }, EXTEND_MS);
  try {
    const row = await db.tenant(orgId, (tx) => queries.findLogObject(tx, runId));
    if (row === null) return;
    const object = { bucket: row.bucket, key: row.object_key };
    const signal = AbortSignal.any([stopping, lost.signal]);
    const { size, mtime } = await stat(path);
    if (row.state === "stored" && row.bytes === size) return await rm(path, { force: true });
    const sent = await objects.upload(object, partOf(path, size), signal);
    const stored = await digest(objects.stream(object, signal));
    if (sent.bytes !== size || stored.bytes !== size || stored.sha256 !== sent.sha256) {
      throw new ObjectStorageError("unavailable", `${object.key} was not stored as it was sent`);
    }
    const lastLine = await lastLineOfLog(path);
    // The log of a lost run may grow late; it is uploaded again.
    if ((await stat(path)).size !== size) return;
    const isStored = await db.tenant(orgId, (tx) =>
      queries.recordStored(tx, runId, { ...stored, lastOutputAt: mtime, lastLine }),
    );
    if (isStored) await rm(path, { force: true });
  } catch (error) {
    // Deleted meanwhile, with its project or because it has expired.
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    await db.tenant(orgId, (tx) => queries.abandonUpload(tx, runId));
  } finally {
    clearInterval(timer);
    await db.tenant(orgId, (tx) => queries.releaseUpload(tx, runId));
  }
}

/** Streams a file up to a size. */
async function* partOf(path: string, size: number): AsyncGenerator<Buffer> {
  if (size === 0) return;
  for await (const piece of createReadStream(path, { end: size - 1 })) yield piece as Buffer;
}

async function digest(content: AsyncIterable<unknown>): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const piece of content) {
    hash.update(piece as Buffer);
    bytes += (piece as Buffer).length;
  }
  return { bytes, sha256: hash.digest("hex") };
}
