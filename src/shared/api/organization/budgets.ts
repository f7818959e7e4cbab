import { z } from "zod";
import { nullable } from "../../contract/fields.js";

/** Limits on the calls to models in a UTC calendar month; null for none. */
export const budgets = {
  max_model_cost_usd: nullable.number.describe(
    "Maximum US dollars for models in a calendar month (UTC); null for no limit",
  ),
  max_model_tokens: nullable.integer.describe(
    "Maximum tokens of every kind in a calendar month (UTC); null for no limit",
  ),
};

export const budgetFields = ["max_model_cost_usd", "max_model_tokens"] as const;

/** A new budget; requires `org:limits:write`. */
export const budgetsInput = {
  max_model_cost_usd: z
    .number()
    .min(0, "must not be negative")
    .max(1_000_000, "must be at most 1 000 000")
    .nullish()
    .describe(
      "Maximum US dollars for models in a calendar month (UTC), 0 to 1 000 000; null for no limit. Needs `org:limits:write`",
    ),
  max_model_tokens: z
    .int()
    .min(0, "must not be negative")
    .max(1e15, "must be at most 10^15")
    .nullish()
    .describe(
      "Maximum tokens of every kind in a calendar month (UTC), at most 10^15; null for no limit. Needs `org:limits:write`",
    ),
};

/** Model tokens by kind, and what they cost. */
export const modelUsage = z.strictObject({
  input_tokens: z.int().describe("Tokens read, without those from a cache or into one"),
  output_tokens: z.int().describe("Tokens written by the model"),
  cache_read_tokens: z.int().describe("Tokens read from the provider's cache"),
  cache_write_tokens: z.int().describe("Tokens written to the provider's cache"),
  requests: z.int().describe("Number of calls"),
  cost_usd: nullable.number.describe(
    "US dollars at the installation's prices; null if a request's model has no price",
  ),
});
export type ModelUsage = z.output<typeof modelUsage>;
