import { z } from "zod";

/** US dollars per million tokens. */
const modelPrice = z.strictObject({
  input: z.number().min(0),
  output: z.number().min(0),
  cache_read: z.number().min(0),
  cache_write: z.number().min(0),
});
export type ModelPrice = z.output<typeof modelPrice>;

/** Prices by model, without a date at the end of its name. */
export const priceTable = z.record(z.string().min(1).max(200), modelPrice);
export type PriceTable = z.output<typeof priceTable>;
