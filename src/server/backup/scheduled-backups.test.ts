import { expect, test } from "vitest";
import { backupKeep, backupSchedule } from "../config/backup-settings.js";
import { lastDue } from "./scheduled-backups.js";

const due = (text: string, now: string): string =>
  lastDue(backupSchedule.parse(text), new Date(now)).toISOString();

test.for([
  ["02:30", "2026-11-30T02:30:00.000Z", "2026-11-30T02:30:00.000Z"],
  ["02:30", "2026-11-30T02:29:59.999Z", "2026-11-29T02:30:00.000Z"],
  ["14:30, 02:30", "2026-12-01T00:00:00.000Z", "2026-11-30T14:30:00.000Z"],
  ["02:30,14:30", "2026-12-01T14:29:00.000Z", "2026-12-01T02:30:00.000Z"],
  ["00:00", "2026-12-01T00:00:00.000Z", "2026-12-01T00:00:00.000Z"],
  ["hourly", "2026-12-01T00:59:00.000Z", "2026-12-01T00:00:00.000Z"],
  ["hourly", "2026-12-01T23:00:00.000Z", "2026-12-01T23:00:00.000Z"],
] as const)("by %s, the last backup at %s was due at %s", ([schedule, now, expected]) => {
  expect(due(schedule, now)).toBe(expected);
});

test.for(["24:00", "2:30", "02:60", "02:30;14:30", "daily", "02:30,"])(
  "the schedule %s is refused",
  (text) => {
    expect(backupSchedule.safeParse(text).success).toBe(false);
  },
);

test.for(["daily", "daily=0", "daily=10000", "daily=7,daily=8", "minutely=1", "daily=7,", "7"])(
  "the retention %s is refused",
  (text) => {
    expect(backupKeep.safeParse(text).success).toBe(false);
  },
);

test("a retention lists periods", () => {
  expect(backupKeep.parse("last=3, daily=7,weekly=9999")).toEqual({
    last: 3,
    daily: 7,
    weekly: 9999,
  });
});
