import type { IncomingMessage } from "node:http";
import type { Readable } from "node:stream";

/** Maximum duration of a push, and maximum pause of a client, in milliseconds. */
const MAX_PUSH_MS = 60 * 60_000;
const idleMs = 120_000;

/**
 * Yields the body of a push or fetch. `signal` is aborted when the body fails, or the client disconnects
 * early. A body that takes or pauses for too long also ends the connection. `received` returns the number of
 * bytes so far, decompressed.
 */
export function withUploadTimeout(
  raw: IncomingMessage,
  body: Readable,
  maxMs = MAX_PUSH_MS,
): {
  chunks: AsyncGenerator<Buffer>;
  signal: AbortSignal;
  received: () => number;
} {
  let bytes = 0;
  const controller = new AbortController();
  const late = AbortSignal.timeout(maxMs);
  const signal = AbortSignal.any([controller.signal, late]);
  late.addEventListener("abort", () => raw.destroy(), { once: true });
  const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  async function* read(): AsyncGenerator<Buffer> {
    try {
      yield* readAll();
    } finally {
      // A reader that stops early discards the rest.
      body.destroy();
    }
  }
  async function* readAll(): AsyncGenerator<Buffer> {
    for (;;) {
      // Only time spent waiting for the client counts.
      const idle = setTimeout(() => {
        controller.abort(new Error("the client sent no data for too long"));
        raw.destroy();
      }, idleMs).unref();
      try {
        const { done, value } = await chunks.next();
        if (done === true) return;
        clearTimeout(idle);
        bytes += value.length;
        yield value;
      } catch (error) {
        controller.abort(error);
        throw error;
      } finally {
        clearTimeout(idle);
      }
    }
  }
  return { chunks: read(), signal, received: () => bytes };
}
