import type { z } from "zod";
import { validationError } from "../../../../http/answers/problem.js";
import { refuseUnstorable } from "../../../../http/answers/text.js";

/** @throws AppError 422 */
export function parseBody<Schema extends z.ZodType>(
  schema: Schema,
  body: unknown,
): z.output<Schema> {
  refuseUnstorable("body", body);
  const parsed = schema.safeParse(body ?? {}, { reportInput: true });
  if (!parsed.success) throw validationError("body", parsed.error);
  return parsed.data;
}
