import { expect, test } from "vitest";
import { monthCosts } from "./month-costs.js";
import type { DayCost } from "./usage.queries.js";

const day = (date: string, cost_usd: number): DayCost => ({
  date,
  cost_usd,
  tokens: 10,
  unpriced_requests: 0,
});
const costs = (now: string, days: readonly DayCost[], hasPrevious = true) =>
  monthCosts({
    start: Date.UTC(2026, 9),
    end: Date.UTC(2026, 10),
    now: Date.parse(now),
    days,
    hasPrevious,
  });

test("a month without calls costs nothing and has no forecast", () => {
  const found = costs("2026-10-10T12:00:00Z", []);
  expect(found).toMatchObject({ cost_usd: 0, previous_cost_usd: 0, forecast_usd: null });
  expect(found.days).toHaveLength(31);
  expect(found.days[30]).toEqual({ date: "2026-10-31", tokens: 0, cost_usd: 0 });
});

test("less than a day of calls has no forecast, one day has", () => {
  expect(costs("2026-10-10T23:59:59Z", [day("2026-10-10", 5)]).forecast_usd).toBeNull();
  // 5 for each of the 21.5 days to come.
  expect(costs("2026-10-10T12:00:00Z", [day("2026-10-09", 5)]).forecast_usd).toBe(5 + 5 * 21.5);
});

test("the forecast takes the mean of the last seven whole days, also those of the month before", () => {
  const days = [day("2026-09-20", 100), day("2026-09-28", 7), day("2026-10-02", 14)];
  expect(costs("2026-10-03T12:00:00Z", [...days, day("2026-10-03", 1)])).toMatchObject({
    cost_usd: 15,
    forecast_usd: 15 + 3 * 28.5,
  });
  expect(costs("2026-10-10T00:00:00Z", days).forecast_usd).toBe(14);
});

test("the month before is compared up to the same time", () => {
  const days = [day("2026-09-01", 1), day("2026-09-03", 8), day("2026-09-04", 50)];
  const before = (now: string) => costs(now, days).previous_cost_usd;
  expect(before("2026-10-01T00:00:00Z")).toBe(0);
  expect(before("2026-10-01T12:00:00Z")).toBe(0.5);
  expect(before("2026-10-03T06:00:00Z")).toBe(3);
  // September has no 31st.
  expect(before("2026-10-31T20:00:00Z")).toBe(59);
  expect(costs("2026-10-03T06:00:00Z", days, false).previous_cost_usd).toBeNull();
});

test("a past month is compared as a whole and has no forecast", () => {
  const days = [day("2026-09-30", 4), day("2026-10-31", 6)];
  expect(costs("2026-11-01T00:00:00Z", days)).toMatchObject({
    cost_usd: 6,
    previous_cost_usd: 4,
    forecast_usd: null,
  });
});
