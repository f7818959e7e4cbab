import fc from "fast-check";
import { expect, test } from "vitest";
import { apportion, hoursOf } from "./apportion.js";

const ms = fc.oneof(fc.integer({ min: 0, max: 2000 }), fc.integer({ min: 0, max: 1e11 }));
const units = (hours: number): number => Math.round(hours * 10_000);
const unitsIn = (all: readonly number[]): number =>
  all.reduce((sum, hours) => sum + units(hours), 0);

test.each([
  [0, 0],
  [179, 0],
  [180, 0.0001],
  [3_600_000, 1],
  [3_600_180, 1.0001],
])("%d ms are %d hours", (given, hours) => {
  expect(hoursOf(given)).toBe(hours);
});

test("three thirds of a unit are one unit, assigned to the first", () => {
  expect(apportion([120, 120, 120])).toEqual([0.0001, 0, 0]);
  expect(apportion([100, 300, 320])).toEqual([0, 0.0001, 0.0001]);
  expect(apportion([])).toEqual([]);
});

test("the parts add up to the rounded whole, and none is off by a unit", () => {
  fc.assert(
    fc.property(fc.array(ms), (parts) => {
      const hours = apportion(parts);
      expect(unitsIn(hours)).toBe(units(hoursOf(parts.reduce((sum, part) => sum + part, 0))));
      hours.forEach((part, index) => {
        expect(Math.abs(units(part) - (parts[index] as number) / 360)).toBeLessThan(1);
      });
    }),
  );
});

test("parts of parts add up to their part, and none is off by a unit", () => {
  fc.assert(
    fc.property(fc.array(fc.array(ms, { minLength: 1 })), (groups) => {
      const wholes = apportion(groups.map((parts) => parts.reduce((sum, part) => sum + part, 0)));
      groups.forEach((parts, index) => {
        const whole = wholes[index] as number;
        const hours = apportion(parts, whole);
        expect(unitsIn(hours)).toBe(units(whole));
        hours.forEach((part, at) => {
          expect(Math.abs(units(part) - (parts[at] as number) / 360)).toBeLessThan(1);
        });
      });
    }),
  );
});
