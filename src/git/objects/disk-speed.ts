/**
 * Decides whether small files are read and written by synchronous calls. On an idle disk such a call
 * takes microseconds, less than handing it to a thread; on a busy or remote one it would stop the
 * server.
 */

/** A call that takes longer, in milliseconds, ends the synchronous calls. */
const SLOW_MS = 5;
/** Milliseconds until they are tried again. */
const PAUSE_MS = 10_000;

let slowUntil = -Infinity;

export function isDiskFast(): boolean {
  return performance.now() >= slowUntil;
}

/** Runs a synchronous call and measures it. */
export function onFastDisk<Result>(call: () => Result): Result {
  const start = performance.now();
  try {
    return call();
  } finally {
    const end = performance.now();
    if (end - start > SLOW_MS) slowUntil = end + PAUSE_MS;
  }
}
