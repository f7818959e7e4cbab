import type { FastifyInstance } from "fastify";
import { methodsAt } from "./supported-methods.js";
import { addVary } from "../answers/vary.js";

/** Response headers that scripts of the allowed origins may read. */
const exposed =
  "ETag, Idempotent-Replayed, Link, Location, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id";
/** Request headers that scripts of the allowed origins may send. */
const accepted =
  "Accept, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID";
/** Seconds for which a browser remembers the answer to a preflight request. */
const maxAge = "600";

/**
 * Lets scripts of the listed origins call the API by bearer tokens. Credentials of the browser, such as
 * the session cookie, are never allowed, so that a listed site cannot act as its visitor.
 */
export function allowOrigins(app: FastifyInstance, origins: readonly string[]): void {
  if (origins.length === 0) return;
  const allowed = new Set(origins);
  app.addHook("onRequest", (request, reply, done) => {
    if (!request.url.startsWith("/api/v1/")) return done();
    addVary(reply, "Origin");
    const { origin } = request.headers;
    if (origin === undefined || !allowed.has(origin)) return done();
    reply.header("access-control-allow-origin", origin);
    const isPreflight =
      request.method === "OPTIONS" && "access-control-request-method" in request.headers;
    const methods = isPreflight ? methodsAt(request) : [];
    if (methods.length === 0) {
      reply.header("access-control-expose-headers", exposed);
      return done();
    }
    void reply
      .code(204)
      .headers({
        "access-control-allow-methods": methods.join(", "),
        "access-control-allow-headers": accepted,
        "access-control-max-age": maxAge,
      })
      .send();
  });
}
