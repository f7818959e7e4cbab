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
    load([...batch.keys()])
      .then(
        (found) => {
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
        if (waiting.size === 0) return;
        scheduled = true;
        // Many at once come back at once: those who are about to ask again go along.
        const many = [...waiting.values()].reduce((sum, waiters) => sum + waiters.length, 0) > 4;
        if (many) setTimeout(run, 1);
        else setImmediate(run);
      });
  };

  return (key) =>
    new Promise((resolve, reject) => {
      const waiters = waiting.get(key);
      if (waiters) waiters.push({ resolve, reject });
      else waiting.set(key, [{ resolve, reject }]);
      if (underWay || scheduled) return;
      scheduled = true;
      // What arrived in the same turn of the event loop goes along.
      setImmediate(run);
    });
}
