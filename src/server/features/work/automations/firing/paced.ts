import { setTimeout as pause } from "node:timers/promises";

/** The longest pause, in milliseconds. */
const MAX_PAUSE_MS = 100;

/**
 * Runs work one after another, with a pause between as long as the work before it took: however much is due, other
 * requests get time in between.
 */
export function paced(): <Result>(work: () => Promise<Result>) => Promise<Result> {
  let before: Promise<unknown> = Promise.resolve();
  return (work) => {
    let start = 0;
    const done = before.then(() => {
      start = performance.now();
      return work();
    });
    const rest = (): Promise<void> =>
      pause(Math.min(performance.now() - start, MAX_PAUSE_MS), undefined, { ref: false });
    before = done.then(rest, rest);
    return done;
  };
}
