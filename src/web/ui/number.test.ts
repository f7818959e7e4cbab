import fc from "fast-check";
import { expect, test } from "vitest";
import { formatHours, formatNumber } from "./number.js";

const intl = (options: Intl.NumberFormatOptions) => new Intl.NumberFormat("en-US", options);
const tenths = intl({ maximumFractionDigits: 1 });
const twoDigits = intl({ maximumSignificantDigits: 2 });
const fourDecimals = intl({ minimumFractionDigits: 4, maximumFractionDigits: 4 });

// What is halfway between two is rounded by its binary value here, and by its decimal one there.
const thousandths = fc.integer({ min: 1000, max: 1e12 }).filter((count) => count % 100 !== 50);
const digits = fc.integer({ min: 1, max: 9999 }).filter((count) => !/50*$/.test(String(count)));

test("numbers are written as Intl writes them", () => {
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

test("hours are written with all four decimals", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1e12 }), (count) => {
      expect(formatHours(count / 10_000)).toBe(fourDecimals.format(count / 10_000));
    }),
  );
});
