import type { ModelUsage } from "#shared/api/organization/budgets.js";
import { countOf, formatMoney, formatNumber } from "../../../../ui/text/number.js";

/** "$0.0042", "$12.50"; says so without a price. */
export function costText(dollars: number | null): string {
  if (dollars === null) return "No price";
  if (dollars === 0) return "$0";
  return dollars < 0.01 ? `$${formatNumber(dollars)}` : `$${formatMoney(dollars)}`;
}

/** "1 200 in (30 cached), 45 out in 3 calls" */
export function tokensText(usage: ModelUsage): string {
  const { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, requests } = usage;
  const whole = input_tokens + cache_read_tokens + cache_write_tokens;
  const cached = cache_read_tokens > 0 ? ` (${formatNumber(cache_read_tokens)} cached)` : "";
  return `${formatNumber(whole)} in${cached}, ${formatNumber(output_tokens)} out in ${countOf(requests, "call")}`;
}
