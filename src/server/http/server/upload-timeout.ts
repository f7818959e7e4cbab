import type { Readable } from "node:stream";

/** Maximum duration of a push, and maximum pause of its client, in milliseconds. */
const MAX_PUSH_MS = 60 * 60_000;
const idleMs = 120_000;

/**
 * Yields the body of a push. `signal` is aborted when the push takes too long, pauses for too long, or
 * the client disconnects early.
 */
export function withUploadTimeout(body: Readable): {
  chunks: AsyncGenerator<Buffer>;
  signal: AbortSignal;
} {
  const controller = new AbortController();
  const signal = AbortSignal.any([controller.signal, AbortSignal.timeout(MAX_PUSH_MS)]);
  signal.addEventListener("abort", () => body.destroy(), { once: true });
  const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  async function* read(): AsyncGenerator<Buffer> {
    for (;;) {
      // Only time spent waiting for the client counts.
      const idle = setTimeout(() => {
        controller.abort(new Error("the client sent no data for too long"));
      }, idleMs).unref();
      try {
        const { done, value } = await chunks.next();
        if (done === true) return;
        clearTimeout(idle);
        yield value;
      } catch (error) {
        controller.abort(error);
        throw error;
      } finally {
        clearTimeout(idle);
      }
    }
  }
  return { chunks: read(), signal };
}
