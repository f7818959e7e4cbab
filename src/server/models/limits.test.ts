import { describe, expect, test } from "vitest";
import { createCallRate } from "./call-rate.js";
import { createHeldBytes, shareOf } from "./held-bytes.js";

describe("the calls of a run in a minute", () => {
  let ms = 0;
  const rate = createCallRate(60, () => ms);
  const takeAll = (runId: string): number => {
    for (let taken = 0; ; taken += 1) if (rate.take(runId) !== null) return taken;
  };

  test("may be made at once, then evenly, apart from those of other runs", () => {
    expect(takeAll("one")).toBe(60);
    expect(rate.take("one")).toBe(1);
    expect(takeAll("other")).toBe(60);
    ms += 999;
    expect(rate.take("one")).toBe(1);
    ms += 1;
    expect(takeAll("one")).toBe(1);
    ms += 30_000;
    expect(takeAll("one")).toBe(30);
    ms += 3_600_000;
    expect(takeAll("one")).toBe(60);
  });

  test("are counted also among many runs", () => {
    expect(takeAll("hostile")).toBe(60);
    for (let nth = 0; nth < 5000; nth += 1) expect(rate.take(`run ${nth}`)).toBeNull();
    expect(rate.take("hostile")).toBe(1);
  });

  test("have whole numbers at any rate", () => {
    for (const perMinute of [1, 7, 599, 600, 10_000]) {
      const odd = createCallRate(perMinute, () => 12_345.678);
      let taken = 0;
      while (odd.take("run") === null) taken += 1;
      expect(taken).toBe(perMinute);
    }
  });
});

test("a share of the memory leaves the rest to others", () => {
  const held = createHeldBytes(100);
  const [one, other] = [shareOf(held, 60), shareOf(held, 60)];
  expect(one.take(60)).toBe(true);
  expect(one.take(1)).toBe(false);
  expect(other.take(41)).toBe(false);
  expect(other.take(40)).toBe(true);
  one.give(60);
  expect(other.take(20)).toBe(true);
  expect(other.take(1)).toBe(false);
});
