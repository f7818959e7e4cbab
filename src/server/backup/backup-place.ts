/** The place of backups: a folder, or objects below a prefix of a bucket. */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { ConfigError } from "#shared/node/config-error.js";
import { explainFailure } from "../object-storage/explain-failure.js";
import { isMissing, ObjectStorageError } from "../object-storage/object-storage-error.js";
import type { ObjectStorage } from "../object-storage/object-storage.js";

export interface BackupPlace {
  /** The folder, or the address of the objects. */
  readonly name: string;
  /** Writes a file durably, replacing one of the same name, and returns its SHA-256. */
  write(name: string, content: Readable): Promise<string>;
  /** Streams a file; the stream fails with `isAbsent` if it does not exist. */
  read(name: string): Readable;
  /** Whether an error of `read` says that the file does not exist. */
  isAbsent(error: unknown): boolean;
  /** Lists the names of all files, sorted. */
  list(): Promise<string[]>;
  /** Deletes all files. */
  clear(): Promise<void>;
  /** @throws ConfigError if it cannot be used, or is not empty */
  requireEmpty(): Promise<void>;
}

export function folderPlace(folder: string): BackupPlace {
  const list = async (): Promise<string[]> => {
    const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
    return entries
      .filter((entry) => !entry.isDirectory())
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
      .toSorted();
  };
  return {
    name: folder,
    write: async (name, content) => {
      const path = join(folder, name);
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      const hash = createHash("sha256");
      const hashing = new Transform({
        transform(piece: Buffer, _encoding, done) {
          hash.update(piece);
          done(null, piece);
        },
      });
      await pipeline(content, hashing, createWriteStream(path, { mode: 0o600, flush: true }));
      return hash.digest("hex");
    },
    read: (name) => createReadStream(join(folder, name)),
    isAbsent: (error) => (error as NodeJS.ErrnoException).code === "ENOENT",
    list,
    clear: async () => {
      for (const name of await readdir(folder).catch(() => [])) {
        await rm(join(folder, name), { recursive: true });
      }
    },
    requireEmpty: async () => {
      try {
        await mkdir(folder, { recursive: true, mode: 0o700 });
        if ((await readdir(folder)).length === 0) return;
      } catch (error) {
        throw new ConfigError(`${folder} is not writable (${(error as Error).message})`);
      }
      throw new ConfigError(`${folder} is not empty; use a new folder for each backup`);
    },
  };
}

export interface BucketAddress {
  bucket: string;
  /** Without slashes at the ends. */
  prefix: string;
}

/**
 * Parses `s3://BUCKET/PREFIX`; null for anything else, which is a folder.
 * @throws ConfigError if it begins like an address and is none
 */
export function parseBucketAddress(text: string): BucketAddress | null {
  if (!text.startsWith("s3://")) return null;
  const [, bucket, prefix] =
    /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\/([\w.:-]+(?:\/[\w.:-]+)*)\/?$/.exec(text) ?? [];
  if (bucket !== undefined && prefix !== undefined && !/(?:^|\/)\.\.?(?:\/|$)/.test(prefix)) {
    return { bucket, prefix };
  }
  throw new ConfigError(
    `${text} must be like s3://BUCKET/PREFIX, such as s3://backups/omoi/2026-11-28`,
  );
}

export function bucketPlace(
  storage: ObjectStorage,
  endpoint: string,
  { bucket, prefix }: BucketAddress,
): BackupPlace {
  const at = (name: string): { bucket: string; key: string } => ({
    bucket,
    key: `${prefix}/${name}`,
  });
  const explained = async <Result>(work: Promise<Result>): Promise<Result> => {
    try {
      return await work;
    } catch (error) {
      if (!(error instanceof ObjectStorageError)) throw error;
      throw new ConfigError(explainFailure(error, endpoint, bucket), { cause: error });
    }
  };
  async function* contentOf(name: string): AsyncGenerator<Buffer> {
    try {
      for await (const piece of storage.stream(at(name))) yield piece as Buffer;
    } catch (error) {
      if (isMissing(error)) throw error;
      await explained(Promise.reject(error as Error));
    }
  }
  const written = new Set<string>();
  const list = async (): Promise<string[]> => {
    const names: string[] = [];
    for await (const { key } of storage.list(bucket, `${prefix}/`)) {
      names.push(key.slice(prefix.length + 1));
    }
    return names.toSorted();
  };
  const place: BackupPlace = {
    name: `s3://${bucket}/${prefix}`,
    write: (name, content) =>
      explained(
        (async () => {
          // A failed upload then never looks like the earlier object.
          if (written.has(name)) await storage.delete(at(name));
          written.add(name);
          return (await storage.upload(at(name), content)).sha256;
        })(),
      ),
    read: (name) => Readable.from(contentOf(name), { objectMode: false }),
    isAbsent: isMissing,
    list: () => explained(list()),
    clear: () =>
      explained(
        (async () => {
          for (const name of await list()) await storage.delete(at(name));
          await storage.abortUploads(bucket, `${prefix}/`, new Date());
        })(),
      ),
    requireEmpty: async () => {
      if ((await place.list()).length === 0) return;
      throw new ConfigError(`${place.name} is not empty; use a new prefix for each backup`);
    },
  };
  return place;
}
