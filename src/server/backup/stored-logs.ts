/** Copies of the logs in the object storage, so that a backup depends on no other copy of them. */
import { Readable } from "node:stream";
import type pg from "pg";
import { ConfigError } from "#shared/node/config-error.js";
import type { Config } from "../config/config.js";
import {
  isMissing,
  ObjectStorageError,
  explainFailure,
} from "../object-storage/object-storage-error.js";
import { openObjectStorage, type ObjectStorage } from "../object-storage/object-storage.js";
import type { BackupWriter } from "./format.js";

interface StoredLog {
  run_id: string;
  bucket: string;
  object_key: string;
  bytes: string;
  last_output_at: Date;
}

/**
 * Archives the logs of a project that are in the object storage. Runs after its folder of logs was
 * archived: a log that left the folder before is listed here.
 * @returns the runs whose object is missing
 * @throws ConfigError if the object storage cannot be read
 */
export async function archiveStoredLogs(
  pool: pg.Pool,
  backup: BackupWriter,
  { objectStorage }: Config,
  { org_id, id }: { org_id: string; id: string },
): Promise<string[]> {
  const { rows } = await pool.query<StoredLog>(
    `select run_id, bucket, object_key, bytes, last_output_at from log_objects
     where project_id = $1 and state = 'stored' order by run_id`,
    [id],
  );
  if (rows.length === 0) return [];
  if (objectStorage === null) {
    throw new ConfigError(
      `Logs of ${rows.length} runs are in the bucket ${rows[0]?.bucket}; set OMOI_S3_ENDPOINT and its access key, so that the backup can contain them`,
    );
  }
  const storage = openObjectStorage(objectStorage);
  const missing: string[] = [];
  try {
    const archive = tarOf(storage, `logs/${org_id}/${id}`, rows, missing);
    await backup.write(`logs/${org_id}/${id}.stored.tar`, Readable.from(archive));
  } catch (error) {
    if (!(error instanceof ObjectStorageError)) throw error;
    throw new ConfigError(explainFailure(error, objectStorage.endpoint, rows[0]?.bucket ?? ""), {
      cause: error,
    });
  } finally {
    storage.close();
  }
  return missing;
}

const BLOCK = 512;

/** Streams the logs as an archive (POSIX.1-1988, ustar). */
async function* tarOf(
  storage: ObjectStorage,
  folder: string,
  logs: readonly StoredLog[],
  missing: string[],
): AsyncGenerator<Buffer> {
  for (const { run_id, bucket, object_key, bytes, last_output_at } of logs) {
    const size = Number(bytes);
    const header = headerOf(folder, `${run_id}.log`, size, last_output_at);
    let sent = 0;
    try {
      for await (const piece of storage.stream({ bucket, key: object_key })) {
        if (sent === 0) yield header;
        sent += (piece as Buffer).length;
        yield piece as Buffer;
      }
    } catch (error) {
      // Expired meanwhile, or deleted by others.
      if (!isMissing(error) || sent > 0) throw error;
      missing.push(run_id);
      continue;
    }
    if (size === 0) yield header;
    if (sent !== size) {
      throw new ObjectStorageError("unavailable", `${object_key} has ${sent} of ${size} bytes`);
    }
    yield Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
  }
  yield Buffer.alloc(2 * BLOCK);
}

/** Returns the header of a file that belongs to the user of this process. */
export function headerOf(folder: string, name: string, size: number, modifiedAt: Date): Buffer {
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number): void => {
    header.write(`${value.toString(8).padStart(length - 1, "0")}\0`, at, "latin1");
  };
  header.write(name, 0, 100, "latin1");
  octal(0o600, 100, 8);
  octal(process.getuid?.() ?? 0, 108, 8);
  octal(process.getgid?.() ?? 0, 116, 8);
  if (size < 8 ** 11) octal(size, 124, 12);
  else {
    // A size beyond eleven octal digits is binary (GNU tar).
    header.writeUInt8(0x80, 124);
    header.writeBigUInt64BE(BigInt(size), 128);
  }
  octal(Math.floor(modifiedAt.getTime() / 1000), 136, 12);
  header.write("        0", 148, "latin1");
  header.write("ustar\x0000", 257, "latin1");
  header.write(folder, 345, 155, "latin1");
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return header;
}
