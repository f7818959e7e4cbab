/** The files of one backup in a backup repository, as a restore reads and a backup writes them. */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import type { BackupSource, BackupTarget } from "../backup-place.js";
import { chunksOf } from "./chunks.js";
import { chunkName, recordName, type BackupRecord, type BackupRepository } from "./repository.js";

/** Chunks that are read or written at the same time: an S3 server takes tens of milliseconds for each. */
const AT_ONCE = 4;

class AbsentFile extends Error {}

/** @throws DamageError if the record is missing or damaged */
export async function sourceOf(repository: BackupRepository, name: string): Promise<BackupSource> {
  const { files } = await repository.readRecord(name);
  async function* contentOf(file: string): AsyncGenerator<Buffer> {
    const found = Object.hasOwn(files, file) ? files[file] : undefined;
    if (found === undefined) throw new AbsentFile(`${name} has no file ${file}`);
    const reading: Promise<Buffer>[] = [];
    for (const id of found.chunks) {
      const chunk = repository.readChunk(id);
      // Awaited in its turn.
      chunk.catch(() => undefined);
      reading.push(chunk);
      if (reading.length >= AT_ONCE) yield (await reading.shift()) as Buffer;
    }
    for (const chunk of reading) yield await chunk;
  }
  return {
    name: `${repository.place.name}/${recordName(name)}`,
    compresses: true,
    read: (file) => Readable.from(contentOf(file), { objectMode: false }),
    isAbsent: (error) => error instanceof AbsentFile,
    list: async (below = "") =>
      Object.keys(files)
        .filter((file) => file.startsWith(below))
        .toSorted(),
  };
}

/** A backup that is being written. It counts when `commit` has ended. */
export interface NewBackup extends BackupTarget {
  /** @param requireLock rejects if a prune may have run meanwhile */
  commit(
    of: Pick<BackupRecord, "created_at" | "node">,
    requireLock: () => Promise<void>,
  ): Promise<{ name: string; bytes: number; new_bytes: number }>;
}

/** Begins a backup, under the lock that keeps `prune` away. */
export async function beginBackup(
  repository: BackupRepository,
  signal: AbortSignal,
): Promise<NewBackup> {
  const { place, sealer } = repository;
  const known = new Set(await place.list("chunks/"));
  const files: BackupRecord["files"] = {};
  let newBytes = 0;
  return {
    name: place.name,
    compresses: true,
    requireEmpty: async () => {},
    write: async (name, content) => {
      // Objects of git are compressed already.
      const compress = !name.startsWith("objects/");
      const sum = createHash("sha256");
      const chunks: string[] = [];
      const writing = new Set<Promise<void>>();
      let bytes = 0;
      let failure: { error: unknown } | null = null;
      try {
        for await (const chunk of chunksOf(content as AsyncIterable<Buffer>, sealer.gear)) {
          signal.throwIfAborted();
          if (failure !== null) break;
          sum.update(chunk);
          bytes += chunk.length;
          const id = sealer.idOf(chunk);
          chunks.push(id);
          if (known.has(chunkName(id))) continue;
          known.add(chunkName(id));
          const written: Promise<void> = repository
            .writeChunk(id, chunk, compress)
            .then((stored) => void (newBytes += stored))
            .catch((error: unknown) => void (failure ??= { error }))
            .finally(() => writing.delete(written));
          writing.add(written);
          if (writing.size >= AT_ONCE) await Promise.race(writing);
        }
      } finally {
        await Promise.all(writing);
      }
      if (failure !== null) throw (failure as { error: unknown }).error;
      files[name] = { bytes, chunks };
      return sum.digest("hex");
    },
    commit: async (of, requireLock) => {
      await place.flush();
      await requireLock();
      signal.throwIfAborted();
      const record = { format: 1 as const, ...of, files, new_bytes: newBytes };
      const name = await repository.writeRecord(record);
      await place.flush();
      return { name, bytes: bytesOf(record), new_bytes: newBytes };
    },
  };
}

/** Returns the size of a backup, as if it shared nothing. */
export function bytesOf({ files }: Pick<BackupRecord, "files">): number {
  return Object.values(files).reduce((sum, { bytes }) => sum + bytes, 0);
}
