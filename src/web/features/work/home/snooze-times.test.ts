import { expect, test } from "vitest";
import { clockText, snoozeChoices } from "./snooze-times.js";

const choicesOn = (now: Date) =>
  snoozeChoices(now).map(({ label, time }) => `${label}: ${clockText(time, now)}`);

test("the usual times are in the future, on working hours of days to come", () => {
  // A Wednesday.
  expect(choicesOn(new Date(2026, 11, 2, 10, 30))).toEqual([
    "In 1 hour: 11:30",
    "In 4 hours: 14:30",
    "Tomorrow: Thu 09:00",
    "Next Monday: Mon 09:00",
  ]);
  // A Monday, at night.
  expect(choicesOn(new Date(2026, 11, 7, 23, 0))).toEqual([
    "In 1 hour: Tue 00:00",
    "In 4 hours: Tue 03:00",
    "Tomorrow: Tue 09:00",
    "Next Monday: Dec 14 09:00",
  ]);
  expect(choicesOn(new Date(2026, 11, 6, 12, 0)).at(-1)).toBe("In a week: Dec 13 09:00");
});
