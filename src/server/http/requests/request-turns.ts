/**
 * Requests begin in turns of their callers, a few in each round of the event loop. Whoever sends more than the server
 * can answer waits for its own earlier requests; others wait for a few of it, not for one of each of its connections.
 */
export interface RequestTurns {
  /**
   * Waits for the turn of a request; null for one that may begin at once.
   * @param caller whose requests wait for each other
   */
  take(caller: string): Promise<void> | null;
}

/** @param perRound maximum requests that begin in a round */
export function requestTurns(perRound: number): RequestTurns {
  /** Callers with waiting requests; the next in turn comes first. */
  const callers = new Map<string, (() => void)[]>();
  let begun = 0;
  let isPlanned = false;

  const plan = (): void => {
    if (isPlanned) return;
    isPlanned = true;
    setImmediate(beginRound);
  };
  const beginRound = (): void => {
    isPlanned = false;
    begun = 0;
    for (const [caller, waiting] of callers) {
      if (begun === perRound) break;
      const next = waiting.shift();
      // Behind the others; this loop reaches it again after them.
      callers.delete(caller);
      if (waiting.length > 0) callers.set(caller, waiting);
      begun += 1;
      next?.();
    }
    if (begun > 0) plan();
  };

  return {
    take: (caller) => {
      plan();
      if (callers.size === 0 && begun < perRound) {
        begun += 1;
        return null;
      }
      return new Promise((resolve) => {
        const waiting = callers.get(caller);
        if (waiting) waiting.push(resolve);
        else callers.set(caller, [resolve]);
      });
    },
  };
}
