/** The work of a run on another machine, as it was sent: names of commits, and a pack. */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { Quarantine } from "#git/smart-http/quarantine.js";
import { isOid } from "#git/objects/oid.js";
import { AppError } from "../../../../errors.js";

export interface ReceivedWork {
  /** The commit of the workspace's branch, of HEAD, and of the uncommitted files; null for none. */
  branch: string | null;
  head: string | null;
  files: string | null;
  /** Whether a pack follows the names. */
  hasPack: boolean;
  readPack: () => AsyncGenerator<Buffer>;
}

/** The first line: the word and three commits. */
const MAX_LINE_BYTES = 200;

/**
 * Stores work in the repository's folder for incoming objects until it was taken, so that a slow sender holds no
 * lock.
 * @throws AppError 413 when it is too large, 400 for another form
 */
export async function withReceivedWork<Result>(
  repoPath: string,
  chunks: AsyncIterable<Buffer>,
  maxBytes: number,
  take: (work: ReceivedWork) => Promise<Result>,
): Promise<Result> {
  const place = await Quarantine.open(repoPath);
  try {
    const path = join(place.path, "received.pack");
    const { line, bytes } = await store(path, chunks, maxBytes);
    async function* readPack(): AsyncGenerator<Buffer> {
      for await (const chunk of createReadStream(path)) yield chunk as Buffer;
    }
    return await take({ ...parseLine(line), hasPack: bytes > 0, readPack });
  } finally {
    await place.discard();
  }
}

/** Writes all but the first line to a file. */
async function store(
  path: string,
  chunks: AsyncIterable<Buffer>,
  maxBytes: number,
): Promise<{ line: string; bytes: number }> {
  const file = await open(path, "wx", 0o600);
  let line: string | null = null;
  let bytes = 0;
  let begin = Buffer.alloc(0);
  try {
    for await (const chunk of chunks) {
      let rest = chunk;
      if (line === null) {
        begin = Buffer.concat([begin, chunk]);
        const end = begin.indexOf("\n");
        if (end < 0 && begin.length > MAX_LINE_BYTES) throw unreadable();
        if (end < 0) continue;
        line = begin.toString("latin1", 0, end);
        rest = begin.subarray(end + 1);
      }
      bytes += rest.length;
      if (bytes > maxBytes) {
        throw new AppError(
          "body_too_large",
          `The work is larger than ${Math.floor(maxBytes / 1024 / 1024)} MiB; make fewer changes in a run, or raise OMOI_MAX_PUSH_MIB on the server.`,
        );
      }
      await file.appendFile(rest);
    }
  } finally {
    await file.close();
  }
  if (line === null) throw unreadable();
  return { line, bytes };
}

/** @throws AppError 400 */
function parseLine(line: string): Pick<ReceivedWork, "branch" | "head" | "files"> {
  const [word, ...names] = line.split(" ");
  const oids = names.map((name) => (name === "-" ? null : name));
  const isValid = oids.every((oid) => oid === null || isOid(oid));
  const [branch = null, head = null, files = null] = oids;
  if (word !== "omoi" || names.length !== 3 || !isValid) throw unreadable();
  return { branch, head, files };
}

const unreadable = (): AppError =>
  new AppError("bad_request", "The work must begin with the line `omoi BRANCH HEAD FILES`.");
