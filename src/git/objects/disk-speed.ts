/**
 * Decides whether small files are read and written by synchronous calls. On an idle disk such a call
 * takes microseconds, less than handing it to a thread. On a busy or remote one it would stop the
 * server, and several threads are faster, as when a file system looks for free inodes after many
 * deletions.
 */

/** A call that takes longer, in milliseconds, ends the synchronous calls. */
const SLOW_MS = 5;
/** The same for the mean of calls; a single one counts up to `MOST_MS`, since any may be interrupted. */
const SLOW_MEAN_MS = 0.25;
const MOST_MS = 1;
/** Milliseconds until they are tried again. */
const PAUSE_MS = 10_000;
/** The weight of a call in the mean: about the last eight calls count. */
const WEIGHT = 1 / 8;

class CallSpeed {
  #slowUntil = -Infinity;
  #mean = 0;

  get isFast(): boolean {
    return performance.now() >= this.#slowUntil;
  }

  /** Runs a synchronous call and measures it. */
  run<Result>(call: () => Result): Result {
    const start = performance.now();
    try {
      return call();
    } finally {
      const end = performance.now();
      this.#mean += (Math.min(end - start, MOST_MS) - this.#mean) * WEIGHT;
      if (end - start > SLOW_MS || this.#mean > SLOW_MEAN_MS) {
        this.#slowUntil = end + PAUSE_MS;
        this.#mean = 0;
      }
    }
  }
}

export const fileReads = new CallSpeed();
export const fileWrites = new CallSpeed();
