import { describe, expect, test } from "vitest";
import { schedule, start, testSchedulesIn } from "#test/support/automations/schedules.js";
import { faultOf, nextTimes, zoneOf } from "./schedule.js";

// With a change of an hour in the north, and of half an hour in the south; the other zones are in the thorough layer.
testSchedulesIn(["Europe/Berlin", "Australia/Lord_Howe"]);

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
