/** Months in the API's format (`2026-10`) and as text; all in UTC, as usage is measured. */

import { lazy } from "../../../../hooks/lazy.js";

const month = lazy(
  () => new Intl.DateTimeFormat("en-US", { month: "long", year: "numeric", timeZone: "UTC" }),
);
const day = lazy(
  () =>
    new Intl.DateTimeFormat("en-US", {
      weekday: "short",
      month: "short",
      day: "numeric",
      timeZone: "UTC",
    }),
);

/** "October 2026" */
export function monthName(period: string): string {
  return month().format(new Date(`${period}-01T00:00:00Z`));
}

/** "Fri, Oct 30" */
export function dayName(date: string): string {
  return day().format(new Date(`${date}T00:00:00Z`));
}

export function periodOf(instant: string | Date): string {
  return new Date(instant).toISOString().slice(0, 7);
}

/** "2025-12" for "2026-01". */
export function previousPeriod(period: string): string {
  return periodOf(new Date(Date.parse(`${period}-01T00:00:00Z`) - 1));
}

/** Returns all months from an instant's to the current one, newest first. */
export function periodsSince(instant: string): string[] {
  const first = periodOf(instant);
  const periods: string[] = [];
  const at = new Date(`${periodOf(new Date())}-01T00:00:00Z`);
  for (; periodOf(at) > first; at.setUTCMonth(at.getUTCMonth() - 1)) periods.push(periodOf(at));
  return [...periods, first];
}
