/** What calls cost, at the providers' list prices. */
import type { ModelPrice, PriceTable, Rates } from "../config/model-prices.js";
import type { CallEstimate } from "./call-estimate.js";
import type { TokenUsage } from "./token-usage.js";

/** A cache read of Anthropic costs a tenth of the input, a write for five minutes 1.25 and for an hour twice of it. */
const anthropic = (input: number, output: number): Rates => ({
  input,
  output,
  cache_read: input / 10,
  cache_write: input * 1.25,
  cache_write_1h: input * 2,
});
/** Most models of OpenAI charge nothing for cache writes. */
const openai = (input: number, output: number, cacheRead: number, cacheWrite = 0): Rates => ({
  input,
  output,
  cache_read: cacheRead,
  cache_write: cacheWrite,
});
/** Doubles the input and the cache, and raises the output by half, as both providers do for long prompts. */
const longAbove = (above: number, price: Rates): ModelPrice => ({
  ...price,
  long_prompt: {
    above,
    input: price.input * 2,
    output: price.output * 1.5,
    cache_read: price.cache_read * 2,
    cache_write: price.cache_write * 2,
    ...(price.cache_write_1h !== undefined && { cache_write_1h: price.cache_write_1h * 2 }),
  },
});

/**
 * List prices of November 2026: https://platform.claude.com/docs/en/about-claude/pricing and
 * https://developers.openai.com/api/docs/pricing. Most models have one price for prompts of any length.
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
  "claude-sonnet-4-5": longAbove(200_000, anthropic(3, 15)),
  "claude-sonnet-4-0": longAbove(200_000, anthropic(3, 15)),
  "claude-sonnet-4": longAbove(200_000, anthropic(3, 15)),
  "claude-haiku-5-5": anthropic(0.1, 0.5),
  "claude-haiku-4-5": anthropic(1, 5),
  "claude-3-5-haiku": anthropic(0.8, 4),
  "gpt-6.2-astra": longAbove(272_000, openai(8, 40, 0.4, 10)),
  "gpt-6.2-sol": longAbove(272_000, openai(2, 10, 0.1, 2.5)),
  "gpt-6.1-sol": longAbove(272_000, openai(2, 10, 0.1, 2.5)),
  "gpt-6.1-terra": longAbove(272_000, openai(1, 5, 0.05, 1.25)),
  "gpt-6-astra": longAbove(272_000, openai(10, 50, 1, 12.5)),
  "gpt-6-sol": longAbove(272_000, openai(2, 10, 0.2, 2.5)),
  "gpt-6-luna": longAbove(272_000, openai(0.1, 0.5, 0.01, 0.125)),
  "gpt-5.6-sol": longAbove(272_000, openai(5, 30, 0.5, 6.25)),
  "gpt-5.6-terra": longAbove(272_000, openai(2, 12, 0.2, 2.5)),
  "gpt-5.6-luna": longAbove(272_000, openai(0.2, 1.2, 0.02, 0.25)),
  "gpt-5.5": longAbove(272_000, openai(5, 30, 0.5)),
  "gpt-5.4": longAbove(272_000, openai(2.5, 15, 0.25)),
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
  const { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens } = usage;
  const { long_prompt } = price;
  const prompt = input_tokens + cache_read_tokens + cache_write_tokens;
  const rates = long_prompt !== undefined && prompt > long_prompt.above ? long_prompt : price;
  const hourly = Math.min(usage.cache_write_1h_tokens, cache_write_tokens);
  // A dollar per million tokens is a thousand billionths per token.
  return Math.round(
    1000 *
      (input_tokens * rates.input +
        output_tokens * rates.output +
        cache_read_tokens * rates.cache_read +
        (cache_write_tokens - hourly) * rates.cache_write +
        hourly * (rates.cache_write_1h ?? rates.cache_write)),
  );
}

/** Like `costOf`, if the prompt has at most so many tokens, all of the kind that costs most. */
export function maxCostOf(
  prices: PriceTable,
  model: string,
  { prompt_tokens, output_tokens }: { prompt_tokens: number; output_tokens: number },
): number | null {
  const price = priceOf(prices, model);
  if (price === null) return null;
  const { long_prompt } = price;
  const mayBeLong = long_prompt !== undefined && prompt_tokens > long_prompt.above;
  const costs = [price, ...(mayBeLong ? [long_prompt] : [])].map((rates) => {
    const { input, cache_read, cache_write, cache_write_1h = 0 } = rates;
    const dearest = Math.max(input, cache_read, cache_write, cache_write_1h);
    return 1000 * (prompt_tokens * dearest + output_tokens * rates.output);
  });
  return Math.round(Math.max(...costs));
}

/** The models of a provider by their names. Others have no price that is known to be the dearest. */
const families: Readonly<Record<string, RegExp>> = {
  anthropic: /^claude-/,
  openai: /^(?:gpt-|chatgpt-|codex-|o\d)/,
};

/**
 * Returns the highest cost that a budget counts for one of several models: a model without a price counts as the
 * dearest of its provider. Null if neither has a price.
 * @param cost of a model; null without a price
 */
function highestCost(
  prices: PriceTable,
  provider: string,
  models: readonly string[],
  cost: (model: string) => number | null,
): number | null {
  const own = (models.length === 0 ? ["unknown"] : models).map(cost);
  if (!own.includes(null)) return Math.max(...own.map(Number));
  const family = Object.hasOwn(families, provider) ? families[provider] : undefined;
  const known = Object.keys(prices).filter((model) => family?.test(model) === true);
  return known.length === 0 ? null : Math.max(...[...own, ...known.map(cost)].map(Number));
}

/**
 * Returns what a budget counts for a call that has ended.
 * @param model as reported
 * @param requested the models of the request
 */
export function budgetCostOf(
  prices: PriceTable,
  provider: string,
  { model, requested }: { model: string; requested: readonly string[] },
  usage: TokenUsage,
): number | null {
  const cost = (name: string): number | null => costOf(prices, name, usage);
  return cost(model) ?? highestCost(prices, provider, requested, cost);
}

/** Like `budgetCostOf`, for a call that begins. */
export function maxBudgetCostOf(
  prices: PriceTable,
  provider: string,
  { models, ...tokens }: CallEstimate,
): number | null {
  return highestCost(prices, provider, models, (name) => maxCostOf(prices, name, tokens));
}

function priceOf(prices: PriceTable, model: string): ModelPrice | null {
  const found = [model, model.replace(release, ""), "*"].find((name) =>
    Object.hasOwn(prices, name),
  );
  return found === undefined ? null : (prices[found] as ModelPrice);
}
