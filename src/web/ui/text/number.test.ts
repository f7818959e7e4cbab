import fc from "fast-check";
import { expect, test } from "vitest";
import { formatHours, formatMoney, formatNumber } from "./number.js";

const intl = (options: Intl.NumberFormatOptions) => new Intl.NumberFormat("en-US", options);
const tenths = intl({ maximumFractionDigits: 1 });
const twoDigits = intl({ maximumSignificantDigits: 2 });

// A tie between two values is rounded by its binary value here, and by its decimal one there.
const thousandths = fc.integer({ min: 1000, max: 1e12 }).filter((count) => count % 100 !== 50);
const digits = fc.integer({ min: 1, max: 9999 }).filter((count) => !/50*$/.test(String(count)));

test("numbers are formatted as by Intl", () => {
  fc.assert(
    fc.property(thousandths, (count) => {
      expect(formatNumber(count / 1000)).toBe(tenths.format(count / 1000));
      expect(formatNumber(-count / 1000)).toBe(tenths.format(-count / 1000));
    }),
  );
  fc.assert(
    fc.property(digits, fc.integer({ min: 4, max: 12 }), (count, zeros) => {
      const value = count / 10 ** zeros;
      expect(formatNumber(value)).toBe(twoDigits.format(value));
    }),
  );
  expect([0, 1, 999.96, 1000, 0.999].map(formatNumber)).toEqual(["0", "1", "1,000", "1,000", "1"]);
});

test("money has two decimals", () => {
  expect([0, 3.2, 50, 1234.567, 1_000_000].map(formatMoney)).toEqual([
    "0.00",
    "3.20",
    "50.00",
    "1,234.57",
    "1,000,000.00",
  ]);
});

test("hours are formatted in practical units", () => {
  const written = [
    [0, "0 h"],
    [0.0001, "1 s"],
    [0.0009, "3 s"],
    [59.6 / 3600, "1 min"],
    [0.1178, "7 min"],
    [0.999, "1 h"],
    [1.333, "1 h 20 min"],
    [45, "45 h"],
    [1234.5, "1,234 h 30 min"],
  ] as const;
  expect(written.map(([hours]) => formatHours(hours))).toEqual(written.map(([, text]) => text));
});

test("formatted hours are monotonic, and never zero after any usage", () => {
  const secondsIn = (text: string): number =>
    [...text.replaceAll(",", "").matchAll(/(\d+) (h|min|s)/g)].reduce(
      (sum, [, count, unit]) => sum + Number(count) * { h: 3600, min: 60, s: 1 }[unit as "s"],
      0,
    );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e8 }), (units) => {
      const hours = units / 10_000;
      const displayed = secondsIn(formatHours(hours));
      expect(displayed).toBeGreaterThan(0);
      expect(Math.abs(displayed - hours * 3600)).toBeLessThanOrEqual(hours * 3600 < 59 ? 1 : 31);
    }),
  );
});
