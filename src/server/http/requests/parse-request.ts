import type { FastifyRequest } from "fastify";
import type { Endpoint } from "#shared/contract/endpoint.js";
import { AppError, notFound } from "../../errors.js";
import { validationError } from "../answers/problem.js";
import { isStorable, refuseUnstorable, withPlainIds } from "../answers/text.js";

/** Parses the ids of a path by the endpoint's schema. @throws AppError 404 */
export function parseParams(endpoint: Endpoint, request: FastifyRequest): unknown {
  if (!endpoint.params) return undefined;
  const parsed = endpoint.params.safeParse(request.params);
  // No item has an id of the wrong shape.
  if (!parsed.success || !Object.values(parsed.data).every((value) => isStorable(String(value)))) {
    throw notFound();
  }
  return withPlainIds(parsed.data);
}

/**
 * Parses the query or the body by the endpoint's schema. @throws AppError 400 for an unexpected body;
 * 422
 */
export function parse(endpoint: Endpoint, part: "query" | "body", value: unknown): unknown {
  const schema = endpoint[part];
  if (!schema) {
    // An empty body may have a JSON content type; any other unexpected body is an error.
    if (part === "body" && value !== undefined && Object.keys(value as object).length > 0) {
      throw new AppError("bad_request", "This call takes no body; send none.");
    }
    return undefined;
  }
  refuseUnstorable(part, value);
  const parsed = schema.safeParse(value);
  if (parsed.success) return withPlainIds(parsed.data);
  // Only `reportInput` distinguishes missing from wrong fields, and it makes parsing ten times as slow.
  const { error = parsed.error } = schema.safeParse(value, { reportInput: true });
  throw validationError(part, error);
}
