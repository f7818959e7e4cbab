import type { IncomingMessage, ServerResponse } from "node:http";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Logger } from "pino";
import { secondsSince } from "#shared/node/measurements.js";

/** A request that was answered, or that its client gave up. Nothing in it is a tenant's but `actorId`. */
export interface ObservedRequest {
  /** One of `methods`, or `OTHER`. */
  method: string;
  /** The pattern of the address, such as `/api/v1/projects/:project_id`; `unknown` where none fits. */
  route: string;
  /** 499 where the client was gone before the answer began. */
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
/** A request of Node that Fastify may know by now. */
type Observed = IncomingMessage & { [known]?: FastifyRequest };

/** As nginx logs a client that closed its connection before the answer. */
const CLIENT_GONE = 499;
const methods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/**
 * Calls `onEnd` once for each request of a client, when its answer was sent or its connection closed.
 * Requests that the server makes to itself (`inject`) are not a client's.
 */
export function observeRequests(
  app: FastifyInstance,
  onEnd: (request: ObservedRequest) => void,
): void {
  app.decorateRequest("actorId", null);
  app.addHook("onRequest", (request, _reply, done) => {
    // A field, since a WeakMap of all requests costs more than all else here.
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

/** A method from a short list: clients may send any. */
export function methodOf({ method = "" }: Pick<IncomingMessage, "method">): string {
  return methods.has(method) ? method : "OTHER";
}

/** The pattern of a request's address; files of the web app are one. */
export function routeOf({ routeOptions }: FastifyRequest): string {
  const { url } = routeOptions;
  if (url === undefined) return "unknown";
  return url.startsWith("/assets/") ? "/assets/*" : url;
}

/** Writes one line at `info` about a request: no query string, no credential, no address. */
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
