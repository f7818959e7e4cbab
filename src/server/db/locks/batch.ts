/** Number of missing keys in one batch above which look-ups are delayed. */
const MANY_MISSING = 4;
/** Delay after a batch with many missing keys, in milliseconds. */
const MISSING_DELAY_MS = 5;

/**
 * Joins concurrent look-ups into one query. A key requested while a query is in flight waits for the
 * next one, so every value is read after it was requested, and any number of requests costs at most two
 * queries at a time.
 *
 * @param load reads many keys at once; keys it omits resolve to undefined
 */
export function batched<Value>(
  load: (keys: string[]) => Promise<ReadonlyMap<string, Value>>,
): (key: string) => Promise<Value | undefined> {
  type Waiter = { resolve: (value: Value | undefined) => void; reject: (error: unknown) => void };
  let waiting = new Map<string, Waiter[]>();
  let scheduled = false;
  let underWay = false;

  const run = (): void => {
    scheduled = false;
    const batch = waiting;
    waiting = new Map();
    underWay = true;
    let missing = 0;
    load([...batch.keys()])
      .then(
        (found) => {
          missing = batch.size - found.size;
          for (const [key, waiters] of batch) {
            const value = found.get(key);
            for (const waiter of waiters) waiter.resolve(value);
          }
        },
        (error: unknown) => {
          for (const waiters of batch.values()) for (const waiter of waiters) waiter.reject(error);
        },
      )
      .finally(() => {
        underWay = false;
        // A client that guesses many keys must not monopolize the database.
        if (missing > MANY_MISSING) after(MISSING_DELAY_MS);
        else if (waiting.size > 0) {
          const asking = [...waiting.values()].reduce((sum, waiters) => sum + waiters.length, 0);
          // Many concurrent callers tend to return together; a short delay joins their next look-ups.
          after(asking > MANY_MISSING ? 1 : 0);
        }
      });
  };
  const after = (ms: number): void => {
    scheduled = true;
    const next = (): void => {
      if (waiting.size > 0) run();
      else scheduled = false;
    };
    if (ms > 0) setTimeout(next, ms);
    else setImmediate(next);
  };

  return (key) =>
    new Promise((resolve, reject) => {
      const waiters = waiting.get(key);
      if (waiters) waiters.push({ resolve, reject });
      else waiting.set(key, [{ resolve, reject }]);
      if (underWay || scheduled) return;
      // Look-ups of the same event loop turn share a query.
      after(0);
    });
}
