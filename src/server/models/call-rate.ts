/** Limits the calls of each run over time. */
export interface CallRate {
  /** Counts a call. Returns null, or the seconds until the run may make the next one, uncounted. */
  take(runId: string): number | null;
}

const MINUTE_MS = 60_000;
/** Number of known runs at which those are forgotten that have not called for a minute. */
const SWEEP_AT = 1000;

/**
 * Lets each run make so many calls at once, and as many in each further minute, evenly (the generic cell rate
 * algorithm).
 * @param now in milliseconds
 */
export function createCallRate(perMinute: number, now = (): number => performance.now()): CallRate {
  const eachMs = MINUTE_MS / perMinute;
  /** When each run's earlier calls are made up for. */
  const paid = new Map<string, number>();
  const sweep = (at: number): void => {
    if (paid.size < SWEEP_AT) return;
    for (const [id, until] of paid) if (until <= at) paid.delete(id);
  };
  return {
    take: (runId) => {
      const at = now();
      const next = Math.max(paid.get(runId) ?? at, at) + eachMs;
      const waitMs = next - at - MINUTE_MS;
      // Additions of fractions are not exact.
      if (waitMs > 0.001) return Math.ceil(waitMs / 1000);
      if (!paid.has(runId)) sweep(at);
      paid.set(runId, next);
      return null;
    },
  };
}
