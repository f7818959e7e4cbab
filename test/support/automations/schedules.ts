import { describe, expect, test } from "vitest";
import { nextTime } from "#server/features/work/automations/schedule.js";

export const schedule = (cron: string, timezone = "UTC") => ({
  type: "schedule" as const,
  cron,
  timezone,
});

export const start = new Date("2026-01-01T12:00:00Z");
const end = new Date("2028-01-01T12:00:00Z");

/** Walks a schedule as servers do: each time is computed after the one before. */
function walk(cron: string, timezone: string, from = start, until = end): Date[] {
  const times: Date[] = [];
  for (let last = from; ;) {
    const next = nextTime([schedule(cron, timezone)], last);
    if (next === null || next >= until) return times;
    times.push(next);
    last = next;
  }
}
/** The local date and time of an instant, such as `2026-03-29 02:30`. */
function localOf(timezone: string): (time: Date) => string {
  const format = new Intl.DateTimeFormat("sv-SE", {
    timeZone: timezone,
    dateStyle: "short",
    timeStyle: "short",
  });
  return (time) => format.format(time);
}

/** Tests two years of schedules in each of these zones. */
export function testSchedulesIn(zones: readonly string[]): void {
  describe.each(zones)("two years in %s", (timezone) => {
    const local = localOf(timezone);

    test("a daily time occurs once on each date, also when the clock changes", () => {
      for (const time of ["00:30", "01:45", "02:30", "03:00", "23:15"]) {
        const [hour = 0, minute = 0] = time.split(":").map(Number);
        const walked = walk(`${minute} ${hour} * * *`, timezone).map(local);
        const dates = walked.map((text) => text.slice(0, 10));
        expect(new Set(dates).size).toBe(dates.length);
        expect(dates.length).toBeGreaterThanOrEqual(729);
        // A time that the clock leaves out occurs after the change.
        const others = walked.filter((text) => text.slice(11) !== time);
        expect(others.length).toBeLessThanOrEqual(2);
        for (const other of others) {
          expect(other.slice(11) > time, `${other} for ${time}`).toBe(true);
        }
      }
    });

    test("a weekly time occurs on its day alone", () => {
      const walked = walk("0 7 * * 1", timezone);
      const days = new Set(
        walked.map((time) =>
          new Intl.DateTimeFormat("en", { timeZone: timezone, weekday: "long" }).format(time),
        ),
      );
      expect([...days]).toEqual(["Monday"]);
      expect(walked.length).toBeGreaterThanOrEqual(104);
      expect(walked.every((time) => local(time).endsWith("07:00"))).toBe(true);
    });

    test("each hour and each quarter have one time, through both changes", () => {
      // Each of these days lies around a change of one of the zones.
      const weeks = [
        "2026-03-05",
        "2026-03-26",
        "2026-04-02",
        "2026-09-03",
        "2026-09-24",
        "2026-10-01",
        "2026-10-22",
        "2026-10-29",
      ];
      const spans = weeks.map((day) => {
        const from = new Date(`${day}T00:00:00Z`);
        return [from, new Date(from.getTime() + 5 * 86_400_000)] as const;
      });
      const walks = [
        ...spans.map(([from, until]) => [walk("*/15 * * * *", timezone, from, until), 15] as const),
        [walk("0 * * * *", timezone, start, new Date("2026-12-31T12:00:00Z")), 60] as const,
      ];
      for (const [walked, minutes] of walks) {
        const gaps = new Set(
          walked.slice(1).map((time, index) => time.getTime() - (walked[index]?.getTime() ?? 0)),
        );
        // Lord Howe moves its clock by half an hour, so that an hour may have one and a half.
        const allowed = timezone === "Australia/Lord_Howe" ? [0.5, 1, 1.5] : [1];
        for (const gap of gaps) expect(allowed).toContain(gap / minutes / 60_000);
        expect(walked.every((time) => time.getUTCSeconds() === 0)).toBe(true);
      }
    });
  });
}
