import type { MonthCosts } from "#shared/api/organization/usage.js";
import type { DayCost } from "./usage.queries.js";

const dayMs = 86_400_000;
/** Whole days whose mean is the estimate of a day to come. */
const meanDays = 7;

const dateOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

interface Month {
  /** Start of the month, and of the next one. */
  start: number;
  end: number;
  now: number;
  /** Days with calls to models in this month and the one before, oldest first. */
  days: readonly DayCost[];
  /** Whether the organization existed in the month before. */
  hasPrevious: boolean;
}

/** Sums up a UTC month's costs, compares them with the month before, and estimates them at its end. */
export function monthCosts({ start, end, now, days, hasPrevious }: Month): MonthCosts {
  const byDate = new Map(days.map((day) => [day.date, day]));
  const costAt = (ms: number): number => byDate.get(dateOf(ms))?.cost_usd ?? 0;
  /** The costs between two instants; the last day counts in proportion. */
  const costBetween = (from: number, to: number): number => {
    let cost = 0;
    for (let at = from; at < to; at += dayMs) cost += costAt(at) * Math.min(1, (to - at) / dayMs);
    return cost;
  };
  const all = Array.from({ length: Math.round((end - start) / dayMs) }, (_, index) => {
    const date = dateOf(start + index * dayMs);
    const { tokens = 0, cost_usd = 0, unpriced_requests = 0 } = byDate.get(date) ?? {};
    return { date, tokens, cost_usd, unpriced_requests };
  });
  const cost_usd = all.reduce((sum, day) => sum + day.cost_usd, 0);
  const before = new Date(start);
  const previous = before.setUTCMonth(before.getUTCMonth() - 1);
  const isOpen = now < end;
  const mean = isOpen ? meanBefore(now, days, costBetween) : null;
  return {
    cost_usd: rounded(cost_usd),
    unpriced_requests: all.reduce((sum, day) => sum + day.unpriced_requests, 0),
    previous_cost_usd: hasPrevious
      ? rounded(costBetween(previous, isOpen ? Math.min(start, previous + (now - start)) : start))
      : null,
    forecast_usd: mean === null ? null : rounded(cost_usd + (mean * (end - now)) / dayMs),
    days: all.map(({ date, tokens, cost_usd: cost }) => ({ date, tokens, cost_usd: cost })),
  };
}

/** Returns the mean of the last whole days since the first call; null without one. */
function meanBefore(
  now: number,
  days: readonly DayCost[],
  costBetween: (from: number, to: number) => number,
): number | null {
  const today = now - (now % dayMs);
  const first = Date.parse(days[0]?.date ?? "");
  const from = Math.max(today - meanDays * dayMs, first);
  return from < today ? (costBetween(from, today) * dayMs) / (today - from) : null;
}

/** Rounds to billionths of a US dollar, as they are stored. */
function rounded(dollars: number): number {
  return Math.round(dollars * 1e9) / 1e9;
}
