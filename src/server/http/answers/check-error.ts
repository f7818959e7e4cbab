import type { FastifyReply, FastifyRequest } from "fastify";
import type { Endpoint } from "#shared/contract/endpoint.js";
import { errorCodesOf } from "#shared/contract/error-codes-of.js";
import type { ErrorCode } from "#shared/errors.js";
import { AppError } from "../../errors.js";
import { sendProblem, toAppError } from "./problem.js";

/**
 * Returns the error handler of a call in tests. An error whose code the call does not declare becomes
 * a 500 that names the call and the code.
 */
export function checkedErrors(
  endpoint: Endpoint,
): (error: unknown, request: FastifyRequest, reply: FastifyReply) => void {
  const codes = new Set<ErrorCode>(errorCodesOf(endpoint));
  return (error, request, reply) => {
    const { code } = toAppError(error, endpoint.method === "GET");
    if (codes.has(code)) return sendProblem(error, request, reply);
    const fault = `${endpoint.method} ${endpoint.path} does not declare its error ${code}`;
    request.log.error({ err: error }, fault);
    return sendProblem(new AppError("internal", `${fault}.`), request, reply);
  };
}
