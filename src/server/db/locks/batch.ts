/** More than this at once is many. */
const some = 4;
/** How long look-ups wait after one that found many keys missing. */
const guessedMs = 5;

/**
 * Joins concurrent look-ups into one query: a key asked for while a query is under way waits for the
 * next one, so that every answer was read after it was asked for (no cache, nothing stale), while any
 * number of requests cost at most two queries at a time.
 *
 * @param load reads many keys at once; keys it leaves out are answered with undefined.
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
        // Whoever tries many keys that do not exist must not keep the database from the others.
        if (missing > some) after(guessedMs);
        else if (waiting.size > 0) {
          const asking = [...waiting.values()].reduce((sum, waiters) => sum + waiters.length, 0);
          // Many at once come back at once: those who are about to ask again go along.
          after(asking > some ? 1 : 0);
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
      // What arrived in the same turn of the event loop goes along.
      after(0);
    });
}
