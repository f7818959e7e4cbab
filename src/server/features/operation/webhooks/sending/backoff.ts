/** Attempts of a delivery: soon at first, then over a day. */

/** Pauses between the attempts, in seconds; the last one repeats. */
const PAUSES = [5, 30, 120, 600, 1800, 3600, 7200, 14_400, 28_800];
const JITTER = 0.1;
const MAX_PAUSE_SECONDS = 28_800;

/** A delivery is given up when its next attempt would be later than this after its creation. */
export const GIVE_UP_MS = 24 * 60 * 60 * 1000;

/**
 * Returns the time of the next attempt; null when the delivery is given up.
 * @param attempts how many there were
 * @param askedSeconds the pause that the receiver asked for
 * @param random from 0 to 1
 */
export function nextAttempt(
  { attempts, createdAt, now }: { attempts: number; createdAt: Date; now: Date },
  askedSeconds: number | null,
  random = Math.random(),
): Date | null {
  const planned = PAUSES[Math.min(attempts, PAUSES.length) - 1] ?? MAX_PAUSE_SECONDS;
  const asked = Math.min(askedSeconds ?? 0, MAX_PAUSE_SECONDS);
  // Deliveries that failed together are not repeated together.
  const pause = Math.max(planned, asked) * (1 + JITTER * (2 * random - 1));
  const at = new Date(now.getTime() + pause * 1000);
  return at.getTime() > createdAt.getTime() + GIVE_UP_MS ? null : at;
}
