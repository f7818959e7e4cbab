/** The bodies of fetch requests: what a client wants, and what it has. */
import type { IncomingMessage } from "node:http";
import { fairSlots } from "#shared/node/fair-slots.js";
import { AppError } from "../../../errors.js";
import type { RawRequest } from "../../../http/raw-routes.js";
import { withUploadTimeout } from "../../../http/server/upload-timeout.js";
import { bodyOf } from "./request-body.js";

/**
 * Maximum bytes of a fetch request. A partial clone names each missing file once: 1,000,000 files, the
 * most in a commit, are 50 MB.
 */
export const MAX_FETCH_BYTES = 64 * 1024 * 1024;
/** Maximum duration of a fetch request with the time that it waits, in milliseconds. */
const MAX_FETCH_MS = 10 * 60_000;
/** Maximum time for which a large request holds its slot, in milliseconds. */
const MAX_SLOT_MS = 2 * 60_000;

/** Requests up to this size, which name about 1,300 commits, wait for no slot. */
export const SMALL_BYTES = 64 * 1024;
/** Larger requests are held in memory, by this process or by git. */
const negotiations = fairSlots({ slots: 4, perOwner: 1 });
/** Maximum larger requests of an organization that wait. */
export const MAX_WAITING = 100;
const waiting = new Map<string, number>();

interface Negotiation {
  /** The decompressed body, once it has its slot. Fails with AppError 408, 413 and 429. */
  body: Promise<AsyncIterable<Buffer>>;
  /** Frees the memory of the request for others. May be called several times. */
  end(this: void): void;
}

/** Reads a fetch request of an organization in its turn. */
export function readNegotiation(request: RawRequest, orgId: string): Negotiation {
  const { chunks, signal } = withUploadTimeout(
    request.raw,
    bodyOf(request, MAX_FETCH_BYTES),
    MAX_FETCH_MS,
  );
  let isOver = false;
  let free = (): void => {};
  let late: NodeJS.Timeout | undefined;
  async function* read(): AsyncGenerator<Buffer> {
    let bytes = 0;
    for await (const chunk of chunks) {
      const isSmall = bytes <= SMALL_BYTES;
      bytes += chunk.length;
      if (isSmall && bytes > SMALL_BYTES) {
        free = await takeSlot(orgId, request.raw, signal);
        if (isOver) free();
        else late = setTimeout(() => request.raw.destroy(), MAX_SLOT_MS).unref();
      }
      yield chunk;
    }
  }
  return {
    body: readAhead(read()),
    end: () => {
      isOver = true;
      clearTimeout(late);
      free();
    },
  };
}

/** Reads all of a small body, or a large one until it has its slot, so that no process waits for that. */
async function readAhead(body: AsyncGenerator<Buffer>): Promise<AsyncGenerator<Buffer>> {
  let head: Buffer = Buffer.alloc(0);
  while (head.length <= SMALL_BYTES) {
    const { done, value } = await body.next();
    if (done === true) break;
    // One buffer: a client may send single bytes.
    head = Buffer.concat([head, value]);
  }
  async function* whole(): AsyncGenerator<Buffer> {
    yield head;
    yield* body;
  }
  return whole();
}

/** @throws AppError 429 when too many requests of the organization wait */
async function takeSlot(
  orgId: string,
  { socket }: IncomingMessage,
  signal: AbortSignal,
): Promise<() => void> {
  const count = waiting.get(orgId) ?? 0;
  if (count >= MAX_WAITING) {
    throw new AppError(
      "rate_limited",
      "Too many large fetches of this organization wait; fetch again in a moment.",
      { headers: { "retry-after": "5" } },
    );
  }
  const left = new AbortController();
  const leave = (): void => left.abort();
  socket.once("close", leave);
  waiting.set(orgId, count + 1);
  try {
    return await negotiations.take(orgId, AbortSignal.any([signal, left.signal]));
  } catch {
    const detail = "Other large fetches of this organization took too long; fetch again.";
    throw new AppError("request_timeout", detail);
  } finally {
    socket.off("close", leave);
    const others = (waiting.get(orgId) ?? 1) - 1;
    if (others === 0) waiting.delete(orgId);
    else waiting.set(orgId, others);
  }
}
