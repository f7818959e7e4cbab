/**
 * Calls `work` for a key after a request, once at a time for each: what takes long for one key delays no other. A request
 * during its work leads to one more call.
 */
export function inTurns(work: (key: string) => Promise<void>): {
  request(key: string): void;
  end(): Promise<void>;
} {
  const working = new Map<string, { done: Promise<void>; again: boolean }>();
  let hasEnded = false;
  const request = (key: string): void => {
    if (hasEnded) return;
    const current = working.get(key);
    if (current) {
      current.again = true;
      return;
    }
    const done = work(key).finally(() => {
      const again = working.get(key)?.again === true;
      working.delete(key);
      if (again) request(key);
    });
    working.set(key, { done, again: false });
  };
  return {
    request,
    end: async () => {
      hasEnded = true;
      await Promise.allSettled([...working.values()].map(({ done }) => done));
    },
  };
}
