import type { FastifyReply, FastifyRequest } from "fastify";
import { AppError, notFound } from "../../errors.js";
import { methodsAt } from "./supported-methods.js";

/** @returns AppError 405 with `Allow` if the path supports other methods; else 404 */
export function unknownPath(request: FastifyRequest): AppError {
  const methods = methodsAt(request);
  if (methods.length === 0 || methods.includes(request.method)) return notFound();
  const allow = methods.join(", ");
  return new AppError("method_not_allowed", `This address takes ${allow}; use one of these.`, {
    headers: { allow },
  });
}

/**
 * Answers a request without a route: OPTIONS with the methods of the path (RFC 9110, section 9.3.7).
 * @throws AppError 404; 405 with `Allow`
 */
export function answerUnknown(request: FastifyRequest, reply: FastifyReply): void {
  const methods = request.method === "OPTIONS" ? methodsAt(request) : [];
  if (methods.length === 0) throw unknownPath(request);
  void reply.code(204).header("allow", methods.join(", ")).send();
}
