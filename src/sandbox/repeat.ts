export interface Watch {
  /** Ends it; answers once it looks no more. */
  stop(): Promise<void>;
}

/** Looks again and again, never twice at once, until it is stopped. */
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
