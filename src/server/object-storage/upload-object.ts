import { createHash } from "node:crypto";
import { ObjectStorageError } from "./object-storage-error.js";
import type { S3Sender } from "./signed-request.js";
import { textOf } from "./xml.js";

/** The place of an object. */
export interface ObjectAddress {
  bucket: string;
  key: string;
}

export interface UploadedObject {
  bytes: number;
  /** Of the sent content, in hexadecimal. */
  sha256: string;
}

const MIB = 1024 * 1024;

/** Returns the size of a part: S3 allows 10,000 parts, and an object of 5 TiB. */
export function partBytes(number: number): number {
  if (number <= 1000) return 8 * MIB;
  return number <= 5000 ? 64 * MIB : 512 * MIB;
}

/**
 * Uploads a stream: one request for a short one, else a multipart upload, which is aborted if it fails.
 * Memory is bounded by two parts.
 */
export async function uploadObject(
  sender: S3Sender,
  object: ObjectAddress,
  content: AsyncIterable<Buffer>,
  signal?: AbortSignal,
): Promise<UploadedObject> {
  const { send } = sender;
  const hash = createHash("sha256");
  let bytes = 0;
  let uploadId: string | null = null;
  const tags: string[] = [];
  try {
    for await (const { part, isLast } of partsOf(content)) {
      signal?.throwIfAborted();
      hash.update(part);
      bytes += part.length;
      if (isLast && uploadId === null) {
        (await send({ method: "PUT", ...object, body: part, signal })).resume();
        return { bytes, sha256: hash.digest("hex") };
      }
      uploadId ??= await beginUpload(sender, object, signal);
      const query = { partNumber: String(tags.length + 1), uploadId };
      const response = await send({ method: "PUT", ...object, query, body: part, signal });
      response.resume();
      tags.push(response.headers.etag ?? "");
    }
    await completeUpload(sender, object, { uploadId: uploadId ?? "", tags, bytes }, signal);
    return { bytes, sha256: hash.digest("hex") };
  } catch (error) {
    if (uploadId !== null) {
      // Parts that stay are removed later by `abortUploads`.
      await send({ method: "DELETE", ...object, query: { uploadId }, attempts: 1 }).then(
        (response) => response.resume(),
        () => undefined,
      );
    }
    throw error;
  }
}

async function beginUpload(
  sender: S3Sender,
  object: ObjectAddress,
  signal?: AbortSignal,
): Promise<string> {
  const query = { uploads: "" };
  const answer = await sender.sendForText({ method: "POST", ...object, query, signal });
  const uploadId = textOf(answer, "UploadId");
  if (uploadId !== null) return uploadId;
  throw new ObjectStorageError("unavailable", "the answer has no UploadId");
}

async function completeUpload(
  sender: S3Sender,
  object: ObjectAddress,
  { uploadId, tags, bytes }: { uploadId: string; tags: readonly string[]; bytes: number },
  signal?: AbortSignal,
): Promise<void> {
  const parts = tags.map(
    (tag, index) =>
      `<Part><PartNumber>${index + 1}</PartNumber><ETag>${tag.replaceAll('"', "&quot;")}</ETag></Part>`,
  );
  const body = Buffer.from(`<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`);
  try {
    const query = { uploadId };
    const answer = await sender.sendForText({ method: "POST", ...object, query, body, signal });
    // A status of 200 may carry an error, since S3 begins the answer before it is done.
    const code = textOf(answer, "Code");
    if (code !== null) throw new ObjectStorageError("unavailable", `${object.key}: ${code}`);
  } catch (error) {
    signal?.throwIfAborted();
    // The upload may be complete, and its answer lost; a repeated request then fails.
    const size = await sender.send({ method: "HEAD", ...object, signal }).then(
      (response) => Number(response.resume().headers["content-length"]),
      () => null,
    );
    if (size !== bytes) throw error;
  }
}

/** Splits a stream into parts; an empty stream is one empty part. */
async function* partsOf(
  content: AsyncIterable<Buffer>,
): AsyncGenerator<{ part: Buffer; isLast: boolean }> {
  let pieces: Buffer[] = [];
  let length = 0;
  let number = 1;
  for await (const piece of content) {
    for (let rest = piece; rest.length > 0;) {
      const size = partBytes(number);
      if (length === size) {
        yield { part: Buffer.concat(pieces), isLast: false };
        pieces = [];
        length = 0;
        number += 1;
        continue;
      }
      const taken = rest.subarray(0, size - length);
      pieces.push(taken);
      length += taken.length;
      rest = rest.subarray(taken.length);
    }
  }
  yield { part: Buffer.concat(pieces), isLast: true };
}
