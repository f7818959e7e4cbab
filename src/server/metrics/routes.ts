import { createHash, timingSafeEqual } from "node:crypto";
import { notFound } from "../errors.js";
import { type RequestHead, isLocalCaller } from "../access/request-head.js";
import { Answer } from "../http/answers/answer.js";
import { rawRoutes } from "../http/raw-routes.js";
import type { Routes } from "../http/register-routes.js";
import type { Metrics } from "./metrics.js";

/**
 * `GET /metrics` for local callers and bearers of the token; others get 404.
 * @param token OMOI_METRICS_TOKEN; null admits local callers only
 */
export function metricsRoutes(metrics: Metrics, token: string | null): Routes {
  return rawRoutes([
    {
      method: "GET",
      path: "/metrics",
      handle: async (request) => {
        const isAdmitted = isLocalCaller(request) || (token !== null && hasToken(request, token));
        if (!isAdmitted) throw notFound();
        const headers = {
          "cache-control": "no-store",
          "content-type": "text/plain; version=0.0.4; charset=utf-8",
        };
        return new Answer(await metrics.text(), { headers });
      },
    },
  ]);
}

/** Compares the request's token in constant time. */
function hasToken({ headers }: RequestHead, token: string): boolean {
  const sent = /^Bearer (\S+)$/i.exec(headers.authorization ?? "")?.[1] ?? "";
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(sent), digest(token));
}
