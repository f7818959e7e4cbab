import type { Readable } from "node:stream";

/** How long a push may take, and how long its client may send nothing. */
const pushMs = 60 * 60_000;
const idleMs = 120_000;

/**
 * The chunks of a push's body, for as long as its client may take; `signal` is aborted where it takes
 * longer, sends nothing for too long, or goes away before it has sent all.
 */
export function withUploadTimeout(body: Readable): {
  chunks: AsyncGenerator<Buffer>;
  signal: AbortSignal;
} {
  const controller = new AbortController();
  const signal = AbortSignal.any([controller.signal, AbortSignal.timeout(pushMs)]);
  signal.addEventListener("abort", () => body.destroy(), { once: true });
  const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  async function* read(): AsyncGenerator<Buffer> {
    for (;;) {
      // Time counts only while the client is waited for.
      const idle = setTimeout(() => {
        controller.abort(new Error("the client sent nothing for too long"));
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
