import type { ObjectStorage } from "../../../../object-storage/object-storage.js";
import { listKnownKeys } from "../../log-objects/index.js";
import type { LogStorage } from "./log-storage.js";

/** Younger objects may belong to an upload under way, or to a run that a clone of the database does not know. */
const MIN_AGE_MS = 7 * 24 * 60 * 60_000;
/** Uploads that began earlier have ended. */
const UPLOAD_MS = 24 * 60 * 60_000;
const BATCH = 500;

/**
 * Deletes objects below this installation's prefix that have neither a row nor a run, and parts of interrupted uploads.
 * A process that was suspended during an upload may leave such objects. The log of a run whose row is gone stays: the
 * database has lost it, as in a failover.
 * @returns the number of deleted objects
 */
export async function sweepLogObjects(
  { db, log, target }: LogStorage,
  objects: ObjectStorage,
  now = Date.now(),
): Promise<number> {
  if (target === null) return 0;
  const { bucket } = target;
  const prefix = await target.prefix();
  let deleted = 0;
  const sweep = async (keys: readonly string[]): Promise<void> => {
    const known = await db.withSystem("find logs without a run", (tx) =>
      listKnownKeys(tx, prefix, keys),
    );
    for (const key of keys) {
      if (known.has(key)) continue;
      log.warn({ bucket, key }, "deleting an object that belongs to no log");
      await objects.delete({ bucket, key });
      deleted += 1;
    }
  };
  let keys: string[] = [];
  for await (const { key, modifiedAt } of objects.list(bucket, prefix)) {
    if (modifiedAt.getTime() < now - MIN_AGE_MS) keys.push(key);
    if (keys.length < BATCH) continue;
    await sweep(keys);
    keys = [];
  }
  await sweep(keys);
  await objects.abortUploads(bucket, prefix, new Date(now - UPLOAD_MS));
  return deleted;
}
