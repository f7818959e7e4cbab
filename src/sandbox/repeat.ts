export interface Watch {
  /** Stops it; resolves once no call is running. */
  stop(): Promise<void>;
}

/** Calls `look` repeatedly, never concurrently, until stopped. */
export function repeat(everyMs: number, look: () => Promise<void>): Watch {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let looking = Promise.resolve();
  const next = (): void => {
    looking = look()
      // A folder or process that is just going away: what it was is seen by the next look or the end.
      .catch(() => undefined)
      .then(() => {
        if (!stopped) timer = setTimeout(next, everyMs);
      });
  };
  next();
  return {
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await looking;
    },
  };
}
