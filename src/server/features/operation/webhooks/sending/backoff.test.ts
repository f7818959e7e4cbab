import { describe, expect, test } from "vitest";
import { GIVE_UP_MS, nextAttempt } from "./backoff.js";

const createdAt = new Date("2026-01-01T00:00:00Z");
const pause = (attempts: number, asked: number | null = null, random = 0.5): number | null => {
  const at = nextAttempt({ attempts, createdAt, now: createdAt }, asked, random);
  return at && (at.getTime() - createdAt.getTime()) / 1000;
};

describe("the pauses between attempts", () => {
  test("grow from seconds to hours, and vary by a tenth", () => {
    expect([1, 2, 3, 4, 9, 20].map((attempts) => pause(attempts))).toEqual([
      5, 30, 120, 600, 28_800, 28_800,
    ]);
    expect(pause(2, null, 0)).toBe(27);
    expect(pause(2, null, 1)).toBe(33);
  });

  test("respect a longer Retry-After, up to 8 hours", () => {
    expect(pause(1, 3)).toBe(5);
    expect(pause(1, 90)).toBe(90);
    expect(pause(1, 999_999)).toBe(28_800);
  });

  test("end after a day", () => {
    let now = createdAt;
    let attempts = 1;
    for (;;) {
      const next = nextAttempt({ attempts, createdAt, now }, null, 0.5);
      if (next === null) break;
      now = next;
      attempts += 1;
    }
    expect(attempts).toBe(11);
    expect(now.getTime() - createdAt.getTime()).toBeLessThanOrEqual(GIVE_UP_MS);
    expect(now.getTime() - createdAt.getTime()).toBeGreaterThan(GIVE_UP_MS * 0.6);
  });
});
