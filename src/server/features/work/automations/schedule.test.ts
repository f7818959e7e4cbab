import { describe, expect, test } from "vitest";
import { faultOf, nextTime, nextTimes, zoneOf } from "./schedule.js";

const schedule = (cron: string, timezone = "UTC") => ({
  type: "schedule" as const,
  cron,
  timezone,
});

/** Zones with and without daylight saving, on both hemispheres, with half hours and a half hour's change. */
const zones = [
  "UTC",
  "Europe/Berlin",
  "Europe/London",
  "America/New_York",
  "America/St_Johns",
  "America/Santiago",
  "Asia/Kolkata",
  "Australia/Sydney",
  "Australia/Lord_Howe",
  "Pacific/Auckland",
];
const start = new Date("2026-01-01T12:00:00Z");
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

describe("a schedule", () => {
  test.each([
    ["0 0 30 2 *", "never occurs"],
    ["0 0 31 4,6 *", "never occurs"],
    ["* * * * * *", "five fields"],
    ["@daily", "five fields"],
    ["* * * *", "five fields"],
    ["60 * * * *", "not understood"],
    ["*/0 * * * *", "not understood"],
    ["a b c d e", "not understood"],
    ["", "five fields"],
  ])("refuses %j", (cron, text) => {
    expect(faultOf(schedule(cron))).toMatchObject({ field: "cron" });
    expect(faultOf(schedule(cron))?.text).toContain(text);
  });

  test.each(["Mars/Olympus", "+02:00", "", "Europe/Berlin; drop", "GMT+2 "])(
    "refuses the zone %j",
    (timezone) => {
      expect(faultOf(schedule("0 7 * * 1", timezone))).toMatchObject({ field: "timezone" });
    },
  );

  test("may occur on 29 February only", () => {
    expect(faultOf(schedule("0 0 29 2 *"))).toBeNull();
    expect(nextTimes([schedule("0 0 29 2 *")], start)[0]).toBe("2028-02-29T00:00:00.000Z");
  });

  test("shares the next times with others of its automation", () => {
    const triggers = [schedule("0 7 * * *", "Europe/Berlin"), schedule("0 6 * * *")];
    expect(zoneOf(triggers)).toBe("Europe/Berlin");
    // In winter both are the same instant, which is one time.
    expect(nextTimes(triggers, start, 2)).toEqual([
      "2026-01-02T06:00:00.000Z",
      "2026-01-03T06:00:00.000Z",
    ]);
  });
});
