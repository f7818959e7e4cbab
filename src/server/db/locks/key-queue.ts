/** Mutual exclusion by key within this process, first in, first out. */
export interface KeyQueue {
  /**
   * Waits for the key and returns the function that releases it.
   * @throws the abort reason of `signal`
   */
  take(key: string, signal: AbortSignal): Promise<() => void>;
  /** Same as `take` for a free key; null for another. */
  tryTake(key: string): (() => void) | null;
}

export function keyQueue(): KeyQueue {
  /** Waiting callers of each held key. */
  const taken = new Map<string, (() => void)[]>();
  const free = (key: string): void => {
    const next = taken.get(key)?.shift();
    if (next) next();
    else taken.delete(key);
  };
  return {
    tryTake: (key) => {
      if (taken.has(key)) return null;
      taken.set(key, []);
      return () => free(key);
    },
    take: async (key, signal) => {
      signal.throwIfAborted();
      const waiting = taken.get(key);
      if (!waiting) taken.set(key, []);
      else {
        await new Promise<void>((resolve, reject) => {
          const leave = (): void => {
            waiting.splice(waiting.indexOf(enter), 1);
            reject(signal.reason as Error);
          };
          const enter = (): void => {
            signal.removeEventListener("abort", leave);
            resolve();
          };
          signal.addEventListener("abort", leave, { once: true });
          waiting.push(enter);
        });
      }
      return () => free(key);
    },
  };
}
