import type http from "node:http";
import { PassThrough, type Readable } from "node:stream";
import { isMissing, ObjectStorageError } from "./object-storage-error.js";
import { createS3Sender, type S3Sender, type S3Settings, type SendS3 } from "./signed-request.js";
import { uploadObject, type ObjectAddress, type UploadedObject } from "./upload-object.js";
import { elementsOf, textOf } from "./xml.js";

export interface ListedObject {
  key: string;
  bytes: number;
  modifiedAt: Date;
}

/** Objects of an S3 server. Every method throws ObjectStorageError. */
export interface ObjectStorage {
  /**
   * Uploads a stream of any length, in parts that are repeated after failures. The object appears as a
   * whole, or not at all.
   */
  upload(
    object: ObjectAddress,
    content: AsyncIterable<Buffer>,
    signal?: AbortSignal,
  ): Promise<UploadedObject>;
  /** Returns the bytes from `start` to before `end`, for an interactive reader: an outage is reported soon. */
  readRange(object: ObjectAddress, start: number, end: number): Promise<Buffer>;
  /** Streams an object, and resumes after broken connections. */
  stream(object: ObjectAddress, signal?: AbortSignal): Readable;
  /** Returns the size; null without such an object. */
  size(object: ObjectAddress): Promise<number | null>;
  /** Deletes an object, whether or not it exists. */
  delete(object: ObjectAddress): Promise<void>;
  list(bucket: string, prefix: string): AsyncGenerator<ListedObject>;
  /**
   * Deletes the parts of uploads that began before a time and never ended, of objects below a prefix. Some S3
   * servers cannot list them, and delete them on their own.
   * @returns the number of uploads
   */
  abortUploads(bucket: string, prefix: string, before: Date): Promise<number>;
  /** Reads one listing, as a test of address, credentials and bucket. */
  probe(bucket: string): Promise<void>;
  close(): void;
}

/** Limits of requests for which a caller waits. */
const interactive = { attempts: 2, timeoutMs: 4000 };
/** Broken connections after which a stream gives up, without a byte in between. */
const MAX_RESUMES = 4;

export function openObjectStorage(settings: S3Settings): ObjectStorage {
  const sender = createS3Sender(settings);
  const { send, close } = sender;
  const remove = async (object: ObjectAddress): Promise<void> => {
    try {
      (await send({ method: "DELETE", ...object })).resume();
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  };
  return {
    upload: (object, content, signal) => uploadObject(sender, object, content, signal),
    readRange: (object, start, end) => readRange(send, object, start, end),
    stream: (object, signal) => {
      const output = new PassThrough();
      copyTo(output, send, object, signal).catch((error: unknown) =>
        output.destroy(error as Error),
      );
      return output;
    },
    size: async (object) => {
      try {
        const response = await send({ method: "HEAD", ...object });
        response.resume();
        return Number(response.headers["content-length"]);
      } catch (error) {
        if (isMissing(error)) return null;
        throw error;
      }
    },
    delete: remove,
    list: (bucket, prefix) => list(sender, bucket, prefix),
    abortUploads: (bucket, prefix, before) => abortUploads(sender, bucket, prefix, before),
    probe: async (bucket) => {
      const query = { "list-type": "2", "max-keys": "1" };
      (await send({ method: "GET", bucket, key: "", query, ...interactive })).resume();
    },
    close,
  };
}

async function readRange(
  send: SendS3,
  object: ObjectAddress,
  start: number,
  end: number,
): Promise<Buffer> {
  for (let attempt = 1; ; attempt += 1) {
    const headers = { range: `bytes=${start}-${end - 1}` };
    const response = await send({ method: "GET", ...object, headers, ...interactive });
    try {
      const pieces: Buffer[] = [];
      requireRange(response, start);
      for await (const piece of response) pieces.push(piece as Buffer);
      const bytes = Buffer.concat(pieces);
      if (bytes.length === end - start) return bytes;
      throw new Error(`${bytes.length} bytes instead of ${end - start}`);
    } catch (cause) {
      if (attempt < interactive.attempts) continue;
      throw new ObjectStorageError("unavailable", (cause as Error).message, { cause });
    }
  }
}

function requireRange(response: http.IncomingMessage, start: number): void {
  const [, from] = /^bytes (\d+)-/.exec(response.headers["content-range"] ?? "") ?? [];
  if (response.statusCode === 206 && Number(from) === start) return;
  response.destroy();
  throw new Error("the answer is not the requested range");
}

function lengthOf(response: http.IncomingMessage): number {
  const length = response.headers["content-length"];
  if (length !== undefined) return Number(length);
  response.destroy();
  throw new Error("the answer has no length");
}

/** Copies an object; after a broken connection it goes on with the next byte. */
async function copyTo(
  output: PassThrough,
  send: SendS3,
  object: ObjectAddress,
  signal?: AbortSignal,
): Promise<void> {
  let offset = 0;
  let size: number | null = null;
  for (let failures = 0; size === null || offset < size;) {
    const headers = size === null ? {} : { range: `bytes=${offset}-` };
    const response = await send({ method: "GET", ...object, headers, signal });
    const before = offset;
    try {
      if (size === null) size = lengthOf(response);
      else requireRange(response, offset);
      for await (const piece of response) {
        offset += (piece as Buffer).length;
        if (!output.write(piece)) await drained(output);
      }
    } catch (cause) {
      if (output.destroyed) return;
      if (signal?.aborted === true) throw signal.reason;
      failures = offset > before ? 0 : failures + 1;
      if (failures < MAX_RESUMES) continue;
      throw new ObjectStorageError("unavailable", (cause as Error).message, { cause });
    }
    if (offset < size && offset === before && (failures += 1) >= MAX_RESUMES) {
      throw new ObjectStorageError(
        "unavailable",
        `${object.key} ends at ${offset} of ${size} bytes`,
      );
    }
  }
  output.end();
}

function drained(output: PassThrough): Promise<void> {
  return new Promise((resolve, reject) => {
    // Its `close` may have been emitted before.
    if (output.destroyed) {
      reject(new Error("the reader has ended"));
      return;
    }
    const end = (): void => {
      output.off("drain", end).off("close", end);
      if (output.destroyed) reject(new Error("the reader has ended"));
      else resolve();
    };
    output.once("drain", end).once("close", end);
  });
}

async function* list(
  { sendForText }: S3Sender,
  bucket: string,
  prefix: string,
): AsyncGenerator<ListedObject> {
  for (let token: string | null = null; ;) {
    const query = {
      "list-type": "2",
      prefix,
      ...(token !== null && { "continuation-token": token }),
    };
    const page = await sendForText({ method: "GET", bucket, key: "", query });
    for (const item of elementsOf(page, "Contents")) {
      yield {
        key: textOf(item, "Key") ?? "",
        bytes: Number(textOf(item, "Size")),
        modifiedAt: new Date(textOf(item, "LastModified") ?? ""),
      };
    }
    token = textOf(page, "NextContinuationToken");
    if (textOf(page, "IsTruncated") !== "true" || token === null) return;
  }
}

async function abortUploads(
  { send, sendForText }: S3Sender,
  bucket: string,
  prefix: string,
  before: Date,
): Promise<number> {
  const query = { uploads: "", prefix };
  const answer = await sendForText({ method: "GET", bucket, key: "", query }).catch(
    (error: unknown) => {
      if (error instanceof ObjectStorageError && error.failure === "unsupported") return "";
      throw error;
    },
  );
  let aborted = 0;
  for (const upload of elementsOf(answer, "Upload")) {
    const key = textOf(upload, "Key") ?? "";
    const uploadId = textOf(upload, "UploadId") ?? "";
    const began = new Date(textOf(upload, "Initiated") ?? "");
    if (!key.startsWith(prefix) || !(began < before)) continue;
    try {
      (await send({ method: "DELETE", bucket, key, query: { uploadId } })).resume();
      aborted += 1;
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
  return aborted;
}
