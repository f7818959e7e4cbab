/** Merges and commits that callers of this process wait for, ahead of background work. */
import { setTimeout as pause } from "node:timers/promises";

/** Background work begins after this many milliseconds without such an operation. */
const QUIET_MS = 100;
/** Background work is delayed at most this long, so that it makes progress under constant load. */
const MAX_DELAY_MS = 500;
const LOOK_MS = 20;

let active = 0;
let lastEnd = -Infinity;

/** Runs an operation that a caller waits for. */
export async function inForeground<Result>(work: () => Promise<Result>): Promise<Result> {
  active += 1;
  try {
    return await work();
  } finally {
    active -= 1;
    lastEnd = performance.now();
  }
}

/** Waits for a pause between foreground operations, at most half a second. */
export async function yieldToForeground(signal: AbortSignal): Promise<void> {
  const until = performance.now() + MAX_DELAY_MS;
  const isBusy = (): boolean => active > 0 || performance.now() - lastEnd < QUIET_MS;
  while (isBusy() && performance.now() < until) await pause(LOOK_MS, undefined, { signal });
}
