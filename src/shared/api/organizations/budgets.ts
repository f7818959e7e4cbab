import { z } from "zod";

/** Limits on the calls to models in a UTC calendar month; null for none. */
export const budgets = {
  max_model_cost_usd: z.number().nullable(),
  max_model_tokens: z.number().int().nullable(),
};

export const budgetFields = ["max_model_cost_usd", "max_model_tokens"] as const;

/** A new budget; requires `org:limits:write`. */
export const budgetsInput = {
  max_model_cost_usd: z
    .number()
    .min(0, "must not be negative")
    .max(1_000_000, "must be at most 1 000 000")
    .nullable()
    .optional(),
  max_model_tokens: z
    .number()
    .int()
    .min(0, "must not be negative")
    .max(1e15, "must be at most 10^15")
    .nullable()
    .optional(),
};

/** Model tokens by kind, and what they cost. */
export const modelUsage = z.strictObject({
  /** Without those read from a cache or written to one. */
  input_tokens: z.number().int(),
  output_tokens: z.number().int(),
  cache_read_tokens: z.number().int(),
  cache_write_tokens: z.number().int(),
  requests: z.number().int(),
  /** US dollars at the installation's prices; null if a request's model has no price. */
  cost_usd: z.number().nullable(),
});
export type ModelUsage = z.output<typeof modelUsage>;
