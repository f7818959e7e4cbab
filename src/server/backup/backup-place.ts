/** The place of backups: a folder, or objects below a prefix of a bucket. */
import { createHash, randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { flushToDisk } from "#git/files/atomic-directory.js";
import { ConfigError } from "#shared/node/config-error.js";
import { isNoSpace } from "#shared/node/no-space.js";
import { type BucketAddress, parseBucketAddress } from "../object-storage/bucket-address.js";
import {
  isMissing,
  ObjectStorageError,
  explainFailure,
} from "../object-storage/object-storage-error.js";
import { type ObjectStorage, openObjectStorage } from "../object-storage/object-storage.js";
import type { Config } from "../config/config.js";

/** The files of a backup, for reading. */
export interface BackupSource {
  /** The folder, or the address of the objects. */
  readonly name: string;
  /** Whether content is compressed where it is stored, so that tables are not. */
  readonly compresses: boolean;
  /** Streams a file; the stream fails with `isAbsent` if it does not exist. */
  read(name: string): Readable;
  /** Whether an error of `read` says that the file does not exist. */
  isAbsent(error: unknown): boolean;
  /** Lists the names of all files, or of those below a folder, sorted. */
  list(below?: string): Promise<string[]>;
}

/** A new backup, for writing. */
export interface BackupTarget {
  readonly name: string;
  readonly compresses: boolean;
  /** Writes a file durably, replacing one of the same name, and returns its SHA-256. */
  write(name: string, content: Readable): Promise<string>;
  /** @throws ConfigError if it cannot be used, or is not empty */
  requireEmpty(): Promise<void>;
}

export interface BackupPlace extends BackupSource, BackupTarget {
  /** Deletes a file, whether or not it exists. */
  remove(name: string): Promise<void>;
  /** Deletes all files. */
  clear(): Promise<void>;
  /** Makes the names of written files survive a power failure. */
  flush(): Promise<void>;
}

/** Part of the name of a file that is not complete. */
export const partial = ".partial-";

export function folderPlace(folder: string): BackupPlace {
  const isAbsent = (error: unknown): boolean =>
    ["ENOENT", "ENOTDIR"].includes(String((error as NodeJS.ErrnoException).code));
  const list = async (below = ""): Promise<string[]> => {
    const options = { withFileTypes: true, recursive: true } as const;
    const entries = await readdir(join(folder, below), options).catch((error: unknown) => {
      if (isAbsent(error)) return [];
      throw error;
    });
    return entries
      .filter((entry) => !entry.isDirectory())
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
      .toSorted();
  };
  const notWritable = (error: unknown): never => {
    throw new ConfigError(`${folder} is not writable (${(error as Error).message})`);
  };
  return {
    name: folder,
    compresses: false,
    write: async (name, content) => {
      const path = join(folder, name);
      const writing = `${path}${partial}${randomUUID()}`;
      await mkdir(dirname(path), { recursive: true, mode: 0o700 }).catch(notWritable);
      const hash = createHash("sha256");
      const hashing = new Transform({
        transform(piece: Buffer, _encoding, done) {
          hash.update(piece);
          done(null, piece);
        },
      });
      try {
        await pipeline(content, hashing, createWriteStream(writing, { mode: 0o600, flush: true }));
        await rename(writing, path);
      } catch (error) {
        await rm(writing, { force: true });
        if (isNoSpace(error)) throw new ConfigError(`The disk of ${folder} is full; make room`);
        throw error;
      }
      return hash.digest("hex");
    },
    read: (name) => createReadStream(join(folder, name)),
    isAbsent,
    list,
    remove: (name) => rm(join(folder, name), { force: true }),
    flush: () => flushToDisk(folder),
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
        notWritable(error);
      }
      throw new ConfigError(`${folder} is not empty; use a new folder for each backup`);
    },
  };
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
  const list = async (below = ""): Promise<string[]> => {
    const names: string[] = [];
    for await (const { key } of storage.list(bucket, `${prefix}/${below}`)) {
      names.push(key.slice(prefix.length + 1));
    }
    return names.toSorted();
  };
  const place: BackupPlace = {
    name: `s3://${bucket}/${prefix}`,
    compresses: false,
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
    list: (below) => explained(list(below)),
    remove: (name) => explained(storage.delete(at(name))),
    flush: async () => {},
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

/**
 * Lets `work` use a folder, or objects of the S3 server in the settings.
 * @throws ConfigError
 */
export async function withPlace<Result>(
  text: string,
  objectStorage: Config["objectStorage"],
  work: (place: BackupPlace) => Promise<Result>,
): Promise<Result> {
  const address = parseBucketAddress(text);
  if (address === null) return work(folderPlace(resolve(text)));
  if (objectStorage === null) {
    throw new ConfigError(
      `${text} needs OMOI_S3_ENDPOINT, OMOI_S3_ACCESS_KEY_ID and OMOI_S3_SECRET_ACCESS_KEY; set them`,
    );
  }
  const storage = openObjectStorage(objectStorage);
  try {
    return await work(bucketPlace(storage, objectStorage.endpoint, address));
  } finally {
    storage.close();
  }
}
