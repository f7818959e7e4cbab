import { z } from "zod";

const perMillion = z.number().min(0).max(100_000);

/** US dollars per million tokens. */
const modelPrice = z.strictObject({
  input: perMillion,
  output: perMillion,
  cache_read: perMillion,
  cache_write: perMillion,
});
export type ModelPrice = z.output<typeof modelPrice>;

/** Prices by model, without a date at the end of its name; `*` for all others. */
export const priceTable = z.record(z.string().min(1).max(200), modelPrice);
export type PriceTable = z.output<typeof priceTable>;
