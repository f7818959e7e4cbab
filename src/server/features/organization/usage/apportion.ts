/** The last of the four decimals of hours, in milliseconds. */
const unitMs = 360;
const unitsPerHour = 10_000;

/** Converts to hours with four decimals, rounded half up like PostgreSQL does for quotas. */
export function hoursOf(ms: number): number {
  return unitsOf(ms) / unitsPerHour;
}

function unitsOf(ms: number): number {
  return Math.floor((ms + unitMs / 2) / unitMs);
}

/**
 * Rounds each part's hours so that they add up to the whole: all are rounded down, and the missing
 * units go to the largest remainders. No part is off by a full unit.
 *
 * @param hours the whole's hours if they were apportioned themselves; otherwise the rounded sum of the
 * parts
 */
export function apportion(parts: readonly number[], hours?: number): number[] {
  const whole =
    hours === undefined
      ? unitsOf(parts.reduce((sum, ms) => sum + ms, 0))
      : Math.round(hours * unitsPerHour);
  const units = parts.map((ms) => Math.floor(ms / unitMs));
  const missing = whole - units.reduce((sum, unit) => sum + unit, 0);
  const byLoss = parts
    .map((ms, index) => ({ index, lost: ms % unitMs }))
    .toSorted((a, b) => b.lost - a.lost);
  for (const { index } of byLoss.slice(0, missing)) units[index] = (units[index] ?? 0) + 1;
  return units.map((unit) => unit / unitsPerHour);
}
