import { createHash, timingSafeEqual } from "node:crypto";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { notFound } from "../errors.js";
import { isLocalCaller } from "../access/local-caller.js";
import type { Metrics } from "./metrics.js";

/**
 * `GET /metrics` for callers on this machine and for those with the token; 404 for all others.
 * @param token OMOI_METRICS_TOKEN; null: callers on this machine alone
 */
export function registerMetrics(
  app: FastifyInstance,
  metrics: Metrics,
  token: string | null,
): void {
  app.get("/metrics", async (request, reply) => {
    if (!isLocalCaller(request) && !(token !== null && sends(request, token))) throw notFound();
    return reply
      .header("cache-control", "no-store")
      .type("text/plain; version=0.0.4; charset=utf-8")
      .send(await metrics.text());
  });
}

/** Whether a request sends the token, in a time that does not depend on how much of it is right. */
function sends({ headers }: FastifyRequest, token: string): boolean {
  const sent = /^Bearer (\S+)$/i.exec(headers.authorization ?? "")?.[1] ?? "";
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(sent), digest(token));
}
