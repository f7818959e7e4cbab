/** What calls cost, at the providers' list prices. */
import type { ModelPrice, PriceTable } from "../config/model-prices.js";
import type { TokenUsage } from "./token-usage.js";

/**
 * A cache read of Anthropic costs a tenth of the input, and a write for five minutes 1.25 of it. Writes for an hour,
 * which cost twice the input, are priced like those.
 */
const anthropic = (input: number, output: number): ModelPrice => ({
  input,
  output,
  cache_read: input / 10,
  cache_write: input * 1.25,
});
/** Most models of OpenAI charge nothing for cache writes. */
const openai = (input: number, output: number, cacheRead: number): ModelPrice => ({
  input,
  output,
  cache_read: cacheRead,
  cache_write: 0,
});

/**
 * List prices of November 2026 for short prompts: https://platform.claude.com/docs/en/about-claude/pricing and
 * https://developers.openai.com/api/docs/pricing.
 */
export const defaultPrices: PriceTable = {
  "claude-fable-5-1": { ...anthropic(10, 50), cache_read: 0.25 },
  "claude-mythos-5-1": { ...anthropic(10, 50), cache_read: 0.25 },
  "claude-fable-5": anthropic(10, 50),
  "claude-mythos-5": anthropic(10, 50),
  "claude-opus-5-5": { ...anthropic(4, 20), cache_read: 0.2 },
  "claude-opus-5": anthropic(5, 25),
  "claude-opus-4-8": anthropic(5, 25),
  "claude-opus-4-7": anthropic(5, 25),
  "claude-opus-4-6": anthropic(5, 25),
  "claude-opus-4-5": anthropic(5, 25),
  "claude-opus-4-1": anthropic(15, 75),
  "claude-opus-4-0": anthropic(15, 75),
  "claude-opus-4": anthropic(15, 75),
  "claude-sonnet-5-5": { ...anthropic(2, 10), cache_read: 0.1 },
  "claude-sonnet-5": anthropic(2, 10),
  "claude-sonnet-4-6": anthropic(3, 15),
  "claude-sonnet-4-5": anthropic(3, 15),
  "claude-sonnet-4-0": anthropic(3, 15),
  "claude-sonnet-4": anthropic(3, 15),
  "claude-haiku-5-5": anthropic(0.1, 0.5),
  "claude-haiku-4-5": anthropic(1, 5),
  "claude-3-5-haiku": anthropic(0.8, 4),
  "gpt-6.1-sol": { ...openai(2, 10, 0.1), cache_write: 2.5 },
  "gpt-6-sol": { ...openai(2, 10, 0.2), cache_write: 2.5 },
  "gpt-6-luna": { ...openai(0.1, 0.5, 0.01), cache_write: 0.125 },
  "gpt-5.4": openai(2.5, 15, 0.25),
  "gpt-5.4-mini": openai(0.75, 4.5, 0.075),
  "gpt-5.3-codex": openai(1.75, 14, 0.175),
  "gpt-5.2": openai(1.75, 14, 0.175),
  "gpt-5.2-codex": openai(1.75, 14, 0.175),
  "gpt-5.1": openai(1.25, 10, 0.125),
  "gpt-5.1-codex": openai(1.25, 10, 0.125),
  "gpt-5.1-codex-mini": openai(0.25, 2, 0.025),
  "gpt-5": openai(1.25, 10, 0.125),
  "gpt-5-codex": openai(1.25, 10, 0.125),
  "gpt-5-mini": openai(0.25, 2, 0.025),
  "gpt-5-nano": openai(0.05, 0.4, 0.005),
  "gpt-5-pro": openai(15, 120, 15),
  "gpt-4.1": openai(2, 8, 0.5),
  "gpt-4.1-mini": openai(0.4, 1.6, 0.1),
  "gpt-4.1-nano": openai(0.1, 0.4, 0.025),
  "gpt-4o": openai(2.5, 10, 1.25),
  "gpt-4o-mini": openai(0.15, 0.6, 0.075),
  o3: openai(2, 8, 0.5),
  "o3-pro": openai(20, 80, 20),
  "o4-mini": openai(1.1, 4.4, 0.275),
};

/** A release's date: `-20250929`, `-2025-08-07`; or `-latest`. */
const release = /-(?:20\d{6}|20\d{2}-\d{2}-\d{2}|latest)$/;

/** Returns the cost in billionths of a US dollar; null for a model without a price. */
export function costOf(prices: PriceTable, model: string, usage: TokenUsage): number | null {
  const price = priceOf(prices, model);
  if (price === null) return null;
  // A dollar per million tokens is a thousand billionths per token.
  return Math.round(
    1000 *
      (usage.input_tokens * price.input +
        usage.output_tokens * price.output +
        usage.cache_read_tokens * price.cache_read +
        usage.cache_write_tokens * price.cache_write),
  );
}

/** Like `costOf`, if all of a prompt is of the kind that costs most. */
export function maxCostOf(
  prices: PriceTable,
  model: string,
  { prompt_tokens, output_tokens }: { prompt_tokens: number; output_tokens: number },
): number | null {
  const price = priceOf(prices, model);
  if (price === null) return null;
  const { input, output, cache_read, cache_write } = price;
  const dearest = Math.max(input, cache_read, cache_write);
  return Math.round(1000 * (prompt_tokens * dearest + output_tokens * output));
}

function priceOf(prices: PriceTable, model: string): ModelPrice | null {
  const found = [model, model.replace(release, ""), "*"].find((name) =>
    Object.hasOwn(prices, name),
  );
  return found === undefined ? null : (prices[found] as ModelPrice);
}
