import fc from "fast-check";
import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { expect, test } from "vitest";
import { agoText, Time } from "./time.js";

const day = new Intl.DateTimeFormat("en-US", { month: "short", day: "numeric", year: "numeric" });
const clock = new Intl.DateTimeFormat("en-US", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});

test("times are formatted as by Intl", () => {
  const min = new Date("1970-01-02");
  const times = fc.date({ min, max: new Date("9999-12-30"), noInvalidDate: true });
  const textOf = (props: Parameters<typeof Time>[0]): string =>
    renderToStaticMarkup(createElement(Time, props)).replaceAll(/<[^>]*>/g, "");
  fc.assert(
    fc.property(times, (date) => {
      const value = date.toISOString();
      const [onDay, time] = [day.format(date), clock.format(date)];
      expect(textOf({ value, dateOnly: true })).toBe(onDay);
      expect(textOf({ value, withSeconds: true })).toBe(`${onDay} ${time}`);
      expect(textOf({ value })).toBe(`${onDay} ${time.slice(0, 5)}`);
    }),
  );
});

test("a recent time is shown by its distance", () => {
  const now = Date.parse("2026-03-10T12:00:00Z");
  const ago = (seconds: number): string => agoText(now - seconds * 1000, now);
  expect([-5, 0, 59, 60, 3599, 3600, 86_399, 86_400, 6 * 86_400].map(ago)).toEqual([
    "now",
    "now",
    "now",
    "1 min ago",
    "59 min ago",
    "1 h ago",
    "23 h ago",
    "1 d ago",
    "6 d ago",
  ]);
  expect(ago(8 * 86_400)).toMatch(/^Mar \d, 2026$/);
});
