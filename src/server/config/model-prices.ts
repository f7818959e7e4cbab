import { z } from "zod";

const perMillion = z.number().min(0).max(100_000);

/** US dollars per million tokens. */
const rates = z.strictObject({
  input: perMillion,
  output: perMillion,
  cache_read: perMillion,
  cache_write: perMillion,
  /** The price of writes that are kept for an hour; `cache_write` if it is left out. */
  cache_write_1h: perMillion.optional(),
});
export type Rates = z.output<typeof rates>;

const modelPrice = rates.extend({
  /** All tokens of a call whose prompt has more than `above` tokens, with those of the cache. */
  long_prompt: rates.extend({ above: z.int().min(1).max(1e9) }).optional(),
});
export type ModelPrice = z.output<typeof modelPrice>;

/** Prices by model, without a date at the end of its name; `*` for all others. */
export const priceTable = z.record(z.string().min(1).max(200), modelPrice);
export type PriceTable = z.output<typeof priceTable>;
