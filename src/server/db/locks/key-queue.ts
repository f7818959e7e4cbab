/** Gives each key to one caller at a time, first in, first out, within this process. */
export interface KeyQueue {
  /**
   * Waits for the key, which is the caller's until the answer is called.
   * @throws what `signal` was aborted with
   */
  take(key: string, signal: AbortSignal): Promise<() => void>;
}

export function keyQueue(): KeyQueue {
  /** Those who wait for each key that is taken. */
  const taken = new Map<string, (() => void)[]>();
  const free = (key: string): void => {
    const next = taken.get(key)?.shift();
    if (next) next();
    else taken.delete(key);
  };
  return {
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
