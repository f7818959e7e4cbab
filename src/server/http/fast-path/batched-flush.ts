import type { FastifyInstance } from "fastify";

/** Milliseconds for which responses to wrong credentials are collected. */
const refusedMs = 5;

/**
 * Sends the responses of one turn of the event loop together. The first write wakes the receiving
 * process, which costs more than the rest of a short response. Writes to a process that is awake are
 * nearly free. Only responses to wrong credentials are delayed: a flood of them must not cost other
 * callers one write each.
 */
export function batchResponses(app: FastifyInstance): void {
  const soon = together((send) => setImmediate(send));
  const later = together((send) => setTimeout(send, refusedMs));
  app.addHook("onSend", (_request, { statusCode }, _payload, done) => {
    (statusCode === 401 ? later : soon)(() => done());
  });
}

/** Collects actions and runs all of them when the first one is due. */
function together(atItsTime: (run: () => void) => void): (action: () => void) => void {
  let waiting: (() => void)[] = [];
  const run = (): void => {
    const now = waiting;
    waiting = [];
    for (const action of now) action();
  };
  return (action) => {
    if (waiting.push(action) === 1) atItsTime(run);
  };
}
