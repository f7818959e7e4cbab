import type { IncomingMessage, ServerResponse } from "node:http";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Logger } from "pino";
import { secondsSince } from "#shared/node/measurements.js";

/** A request that ended with a response or a disconnect. Only `actorId` identifies a tenant. */
export interface ObservedRequest {
  /** One of `methods`, or `OTHER`. */
  method: string;
  /** Route pattern, such as `/api/v1/projects/:project_id`; `unknown` for unmatched paths. */
  route: string;
  /** 499 if the client disconnected before the response began. */
  status: number;
  seconds: number;
  requestId: string | null;
  /** The person, or the agent of an agent's key; null for an anonymous request. */
  actorId: string | null;
}

declare module "fastify" {
  interface FastifyRequest {
    /** Set by `authenticate`. */
    actorId: string | null;
  }
}

const known = Symbol("Fastify's request");
/** Node's request, with Fastify's request once known. */
type Observed = IncomingMessage & { [known]?: FastifyRequest };

/** nginx's status for a client that disconnected before the response. */
const CLIENT_GONE = 499;
const methods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/**
 * Calls `onEnd` once per client request, when its response was sent or its connection closed. Requests
 * of the server to itself (`inject`) do not count.
 */
export function observeRequests(
  app: FastifyInstance,
  onEnd: (request: ObservedRequest) => void,
): void {
  app.decorateRequest("actorId", null);
  app.addHook("onRequest", (request, _reply, done) => {
    // A property, because a WeakMap of all requests costs more than the rest of this module.
    (request.raw as Observed)[known] = request;
    done();
  });
  app.server.prependListener("request", (raw: Observed, response: ServerResponse) => {
    const start = performance.now();
    response.on("close", () => {
      const request = raw[known];
      onEnd({
        method: methodOf(raw),
        route: request ? routeOf(request) : "unknown",
        status: response.headersSent ? response.statusCode : CLIENT_GONE,
        seconds: secondsSince(start),
        requestId: request?.id ?? null,
        actorId: request?.actorId ?? null,
      });
    });
  });
}

/** Returns the method if it is a known one, else `OTHER`: clients may send any text. */
export function methodOf({ method = "" }: Pick<IncomingMessage, "method">): string {
  return methods.has(method) ? method : "OTHER";
}

/** Returns the route pattern of a request. All files of the web app share one. */
export function routeOf({ routeOptions }: FastifyRequest): string {
  const { url } = routeOptions;
  if (url === undefined) return "unknown";
  return url.startsWith("/assets/") ? "/assets/*" : url;
}

/** Logs a request in one line at `info`, without query string, credentials or client address. */
export function logRequest(log: Logger, request: ObservedRequest): void {
  if (!log.isLevelEnabled("info")) return;
  const { method, route, status, seconds, requestId, actorId } = request;
  log.info(
    {
      method,
      route,
      status,
      duration_ms: Math.round(seconds * 1e6) / 1000,
      request_id: requestId,
      actor_id: actorId,
    },
    "request",
  );
}
