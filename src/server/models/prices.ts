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
/** OpenAI charges nothing for cache writes. */
const openai = (input: number, output: number, cacheRead: number): ModelPrice => ({
  input,
  output,
  cache_read: cacheRead,
  cache_write: 0,
});

/** https://claude.com/pricing and https://openai.com/api/pricing */
export const defaultPrices: PriceTable = {
  "claude-opus-4-5": anthropic(5, 25),
  "claude-opus-4-1": anthropic(15, 75),
  "claude-opus-4": anthropic(15, 75),
  "claude-sonnet-4-5": anthropic(3, 15),
  "claude-sonnet-4": anthropic(3, 15),
  "claude-haiku-4-5": anthropic(1, 5),
  "claude-3-7-sonnet": anthropic(3, 15),
  "claude-3-5-sonnet": anthropic(3, 15),
  "claude-3-5-haiku": anthropic(0.8, 4),
  "claude-3-opus": anthropic(15, 75),
  "claude-3-haiku": anthropic(0.25, 1.25),
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
  o1: openai(15, 60, 7.5),
  "o1-pro": openai(150, 600, 150),
  o3: openai(2, 8, 0.5),
  "o3-mini": openai(1.1, 4.4, 0.55),
  "o3-pro": openai(20, 80, 20),
  "o4-mini": openai(1.1, 4.4, 0.275),
  "codex-mini": openai(1.5, 6, 0.375),
  "text-embedding-3-small": openai(0.02, 0, 0.02),
  "text-embedding-3-large": openai(0.13, 0, 0.13),
};

/** A release's date: `-20250929`, `-2025-08-07`; or `-latest`. */
const release = /-(?:20\d{6}|20\d{2}-\d{2}-\d{2}|latest)$/;

/** Returns the cost in billionths of a US dollar; null for a model without a price. */
export function costOf(prices: PriceTable, model: string, usage: TokenUsage): number | null {
  const found = [model, model.replace(release, ""), "*"].find((name) =>
    Object.hasOwn(prices, name),
  );
  if (found === undefined) return null;
  const { input, output, cache_read, cache_write } = prices[found] as ModelPrice;
  // A dollar per million tokens is a thousand billionths per token.
  return Math.round(
    1000 *
      (usage.input_tokens * input +
        usage.output_tokens * output +
        usage.cache_read_tokens * cache_read +
        usage.cache_write_tokens * cache_write),
  );
}
