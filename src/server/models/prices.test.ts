import { describe, expect, test } from "vitest";
import { priceTable } from "../config/model-prices.js";
import { costOf, defaultPrices, maxCostOf } from "./prices.js";
import { noTokens, readReport, type TokenUsage } from "./token-usage.js";

/** In US dollars. */
function dollars(model: string, usage: Partial<TokenUsage>, prices = defaultPrices): number | null {
  const cost = costOf(prices, model, { ...noTokens, ...usage });
  return cost === null ? null : cost / 1e9;
}
const million = 1_000_000;

describe("a cache write of Anthropic", () => {
  const usage = {
    input_tokens: 1,
    output_tokens: 2,
    cache_read_input_tokens: 3,
    cache_creation_input_tokens: 100_000,
    cache_creation: { ephemeral_5m_input_tokens: 40_000, ephemeral_1h_input_tokens: 60_000 },
  };

  test("costs 1.25 of the input for five minutes, and twice the input for an hour", () => {
    const reported = readReport({ model: "claude-opus-4-5-20251101", usage })?.usage;
    expect(reported).toEqual({
      input_tokens: 1,
      output_tokens: 2,
      cache_read_tokens: 3,
      cache_write_tokens: 100_000,
      cache_write_1h_tokens: 60_000,
    });
    const written = { cache_write_tokens: 100_000 };
    expect(dollars("claude-opus-4-5", written)).toBe(0.1 * 6.25);
    const both = { ...written, cache_write_1h_tokens: 60_000 };
    expect(dollars("claude-opus-4-5", both)).toBe(0.04 * 6.25 + 0.06 * 10);
  });

  test("is never more than what was written", () => {
    const usage = { cache_write_tokens: 1000, cache_write_1h_tokens: 5000 };
    expect(dollars("claude-opus-4-5", usage)).toBe(0.001 * 10);
  });

  test.each([null, 5, [], {}, { ephemeral_1h_input_tokens: "many" }])(
    "has five minutes if its breakdown is %j",
    (cache_creation) => {
      const report = readReport({ model: "m", usage: { ...usage, cache_creation } });
      expect(report?.usage.cache_write_1h_tokens).toBeUndefined();
      expect(report?.usage.cache_write_tokens).toBe(100_000);
    },
  );
});

test("a cache write of OpenAI is a part of its input", () => {
  const details = { cached_tokens: 300, cache_write_tokens: 200 };
  const expected = {
    input_tokens: 500,
    output_tokens: 7,
    cache_read_tokens: 300,
    cache_write_tokens: 200,
  };
  const response = { input_tokens: 1000, input_tokens_details: details, output_tokens: 7 };
  expect(readReport({ usage: response })?.usage).toEqual(expected);
  const chat = { prompt_tokens: 1000, prompt_tokens_details: details, completion_tokens: 7 };
  expect(readReport({ usage: chat })?.usage).toEqual(expected);
});

describe("a long prompt", () => {
  test("has its own prices for all tokens, from a token above the limit", () => {
    const short = { input_tokens: 272_000, output_tokens: million };
    expect(dollars("gpt-6-sol", short)).toBe(0.272 * 2 + 10);
    const long = { ...short, input_tokens: 272_001 };
    expect(dollars("gpt-6-sol", long)).toBeCloseTo(0.272001 * 4 + 15, 9);
  });

  test("includes what was read from the cache and written to it", () => {
    const usage = { input_tokens: 1, cache_read_tokens: 199_000, cache_write_tokens: 1000 };
    const cost = (1 * 6 + 199_000 * 0.6 + 400 * 12 + 600 * 7.5) / million;
    expect(dollars("claude-sonnet-4-5", { ...usage, cache_write_1h_tokens: 400 })).toBeCloseTo(
      cost,
      9,
    );
  });

  test("costs the same where the provider has one price", () => {
    expect(dollars("claude-opus-4-8", { input_tokens: million })).toBe(5);
  });
});

test.each([
  ["gpt-6.2-astra", 10],
  ["gpt-6.2-sol", 2.5],
  ["gpt-6.1-sol", 2.5],
  ["gpt-6.1-terra", 1.25],
  ["gpt-6-astra", 12.5],
  ["gpt-6-sol", 2.5],
  ["gpt-6-luna", 0.125],
  ["gpt-5.6-sol", 6.25],
  ["gpt-5.6-terra", 2.5],
  ["gpt-5.6-luna", 0.25],
  ["gpt-5.5", 0],
])("the model %s, which Codex offers, has a price", (model, write) => {
  expect(dollars(model, { cache_write_tokens: 100_000 })).toBeCloseTo(write / 10, 9);
  const input = dollars(model, { input_tokens: 100_000 }) ?? 0;
  expect(dollars(model, { input_tokens: 300_000 })).toBeCloseTo(input * 6, 9);
});

describe("the table of an installation", () => {
  const old = { input: 1, output: 4, cache_read: 0.1, cache_write: 1.25 };

  test("may have the prices of before only: one for all writes and all prompts", () => {
    const prices = priceTable.parse({ "my-model": old });
    const usage = {
      input_tokens: million,
      cache_write_tokens: million,
      cache_write_1h_tokens: million,
    };
    expect(dollars("my-model", usage, prices)).toBe(2.25);
    expect(dollars("another", usage, prices)).toBeNull();
  });

  test("may have the prices of writes for an hour and of long prompts", () => {
    const long_prompt = { ...old, above: 1000, input: 3, cache_write_1h: 5 };
    const prices = priceTable.parse({ "*": { ...old, cache_write_1h: 2, long_prompt } });
    const written = { cache_write_tokens: 1000, cache_write_1h_tokens: 1000 };
    expect(dollars("my-model", written, prices)).toBe(0.002);
    expect(dollars("my-model", { ...written, input_tokens: 1 }, prices)).toBe(0.005003);
  });

  test.each([
    { ...old, long_prompt: old },
    { ...old, long_prompt: { ...old, above: 0 } },
    { ...old, long_prompt: { ...old, above: 1.5 } },
    { ...old, cache_write_1h: -1 },
    { ...old, cache_write_2h: 1 },
  ])("does not take %j", (price) => {
    expect(priceTable.safeParse({ "my-model": price }).success).toBe(false);
  });
});

test("the highest cost of a call has the dearest kind of input, and the long price if it may be long", () => {
  const most = (model: string, prompt_tokens: number): number =>
    (maxCostOf(defaultPrices, model, { prompt_tokens, output_tokens: 1000 }) ?? 0) / 1e9;
  expect(most("claude-opus-4-8", million)).toBeCloseTo(10 + 0.025, 9);
  expect(most("gpt-5", million)).toBeCloseTo(1.25 + 0.01, 9);
  expect(most("gpt-6-sol", 272_000)).toBeCloseTo(0.272 * 2.5 + 0.01, 9);
  expect(most("gpt-6-sol", 272_001)).toBeCloseTo(0.272001 * 5 + 0.015, 9);
  expect(maxCostOf(defaultPrices, "no-model", { prompt_tokens: 1, output_tokens: 1 })).toBeNull();
});
