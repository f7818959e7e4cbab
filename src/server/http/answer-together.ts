import type { FastifyInstance } from "fastify";

/**
 * Sends the answers to what arrived together one right after the other, once all of it was looked at. Each
 * write wakes whoever waits for it, which costs more than the rest of a short answer; to whom is awake
 * already it is nearly free. Nothing waits for a time, only for what had arrived by then.
 */
export function answerTogether(app: FastifyInstance): void {
  let ready: (() => void)[] = [];
  const send = (): void => {
    const now = ready;
    ready = [];
    for (const done of now) done();
  };
  app.addHook("onSend", (_request, _reply, _payload, done) => {
    if (ready.push(() => done()) === 1) setImmediate(send);
  });
}
