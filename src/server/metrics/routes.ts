import { createHash, timingSafeEqual } from "node:crypto";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { notFound } from "../errors.js";
import { isLocalCaller } from "../access/local-caller.js";
import type { Metrics } from "./metrics.js";

/**
 * Registers `GET /metrics` for local callers and bearers of the token; others get 404.
 * @param token OMOI_METRICS_TOKEN; null admits local callers only
 */
export function registerMetrics(
  app: FastifyInstance,
  metrics: Metrics,
  token: string | null,
): void {
  app.get("/metrics", async (request, reply) => {
    if (!isLocalCaller(request) && !(token !== null && hasToken(request, token))) throw notFound();
    return reply
      .header("cache-control", "no-store")
      .type("text/plain; version=0.0.4; charset=utf-8")
      .send(await metrics.text());
  });
}

/** Compares the request's token in constant time. */
function hasToken({ headers }: FastifyRequest, token: string): boolean {
  const sent = /^Bearer (\S+)$/i.exec(headers.authorization ?? "")?.[1] ?? "";
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(sent), digest(token));
}
