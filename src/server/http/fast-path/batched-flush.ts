import type { FastifyInstance } from "fastify";

/** How long the answer to a wrong credential may wait for others of its kind. */
const refusedMs = 5;

/**
 * Sends the answers to what arrived together one right after the other, once all of it was looked at. Each
 * write wakes whoever waits for it, which costs more than the rest of a short answer; to whom is awake
 * already it is nearly free. Nothing waits for a time, only for what had arrived by then; but for wrong
 * credentials: whoever tries many of them must not take from the others what a write costs.
 */
export function batchResponses(app: FastifyInstance): void {
  const soon = together((send) => setImmediate(send));
  const later = together((send) => setTimeout(send, refusedMs));
  app.addHook("onSend", (_request, { statusCode }, _payload, done) => {
    (statusCode === 401 ? later : soon)(() => done());
  });
}

/** Collects what is to be done, and does it all when the first of it is due. */
function together(atItsTime: (run: () => void) => void): (act: () => void) => void {
  let waiting: (() => void)[] = [];
  const run = (): void => {
    const now = waiting;
    waiting = [];
    for (const act of now) act();
  };
  return (act) => {
    if (waiting.push(act) === 1) atItsTime(run);
  };
}
