/** Reads requests of runs, larger ones in child processes: a hostile body of 16 MiB takes seconds. */
import { join } from "node:path";
import { ReaderProcess, UnreadableError } from "#git/process/reader-process.js";
import { readRequest, type ReadRequest, type RequestToRead } from "./read-request.js";

/** Bodies up to this size take at most a few milliseconds here. */
const SMALL_BYTES = 64 * 1024;
/** Larger ones up to this size do not wait for those that are larger still. */
const MEDIUM_BYTES = 1024 * 1024;

/** The largest request that is read, with a million objects, needs half of the heap. */
const LIMITS = { heapMib: 1024, memoryKib: 2 * 1024 * 1024, descriptors: 64, orderMs: 10_000 };

const createReader = (): ReaderProcess<RequestToRead, ReadRequest | string> =>
  new ReaderProcess({
    script: join(import.meta.dirname, "request-process"),
    title: "omoi-model-requests",
    limits: LIMITS,
  });
const medium = createReader();
const large = createReader();

/**
 * Reads a request like `readRequest`, in the turn of its organization.
 * @throws Error if the process does not start
 */
export async function readInTurn(
  orgId: string,
  request: RequestToRead,
): Promise<ReadRequest | string> {
  const bytes = request.body.length;
  if (bytes <= SMALL_BYTES) return readRequest(request);
  try {
    return await (bytes <= MEDIUM_BYTES ? medium : large).read(orgId, request);
  } catch (error) {
    if (!(error instanceof UnreadableError)) throw error;
    return "The body takes too much time or memory to read; send a smaller one.";
  }
}
