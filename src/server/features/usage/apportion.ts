/** The last of the four decimals that hours are shown with, in milliseconds. */
const unitMs = 360;
const unitsPerHour = 10_000;

/** Hours with four decimals, rounded half up, as PostgreSQL rounds what the quotas are decided by. */
export function hoursOf(ms: number): number {
  return unitsOf(ms) / unitsPerHour;
}

function unitsOf(ms: number): number {
  return Math.floor((ms + unitMs / 2) / unitMs);
}

/**
 * The hours of each part, so that they add up to the hours of the whole: each is rounded down, and
 * what is missing goes, a unit each, to those that lost most by it (largest remainder). None is off
 * by a whole unit.
 *
 * @param hours of the whole, where it was itself apportioned; else the rounded sum of the parts.
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
    .toSorted((one, other) => other.lost - one.lost);
  for (const { index } of byLoss.slice(0, missing)) units[index] = (units[index] ?? 0) + 1;
  return units.map((unit) => unit / unitsPerHour);
}
