import type { IncomingMessage } from "node:http";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Logger } from "pino";
import type { Problem } from "#shared/errors.js";
import type { RequestHead } from "../access/request-head.js";
import { applyHead, type Answer } from "./answer.js";
import { sendProblem } from "./problem.js";
import type { Routes } from "./register-routes.js";

/** A request of a route outside the contract. */
export interface RawRequest extends RequestHead {
  readonly id: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string | undefined>>;
  /** A stream for the media types of `bodies`. */
  readonly body: unknown;
  readonly raw: IncomingMessage;
  readonly log: Logger;
}

/** A route outside the contract, such as git's protocol: the handler checks the caller and the input. */
export interface RawRoute {
  method: "GET" | "POST";
  /** `{name}` is a parameter. */
  path: `/${string}`;
  handle(request: RawRequest): Promise<Answer<unknown>>;
}

interface RawRouteOptions {
  /** Media types of bodies that the handlers get as streams, with the maximum of bytes. */
  bodies?: Readonly<Record<string, number>>;
  /** Returns the error to answer with. */
  toError?: (error: unknown, request: RawRequest) => unknown;
  /** Whether the client shows its user an error only as plain text. */
  wantsPlainErrors?: (request: RawRequest) => boolean;
}

export function rawRoutes(routes: readonly RawRoute[], options: RawRouteOptions = {}): Routes {
  const { bodies, toError, wantsPlainErrors } = options;
  return (app) => {
    void app.register(async (scope) => {
      if (bodies) {
        scope.removeAllContentTypeParsers();
        for (const [type, bodyLimit] of Object.entries(bodies)) {
          scope.addContentTypeParser(type, { bodyLimit }, (_request, payload, done) =>
            done(null, payload),
          );
        }
      }
      if (toError) {
        scope.setErrorHandler((error, request, reply) => {
          // The rest of a streamed body stays unread, so the connection carries no other request.
          if (bodies && request.method === "POST") reply.header("connection", "close");
          sendProblem(toError(error, rawRequest(request)), request, reply);
        });
      }
      if (wantsPlainErrors) {
        scope.addHook("onSend", async (request, reply, payload) => {
          const isProblem = String(reply.getHeader("content-type")).startsWith(
            "application/problem+json",
          );
          if (!isProblem || typeof payload !== "string" || !wantsPlainErrors(rawRequest(request))) {
            return payload;
          }
          reply.type("text/plain; charset=utf-8");
          return `${(JSON.parse(payload) as Problem).detail}\n`;
        });
      }
      for (const route of routes) {
        scope.route({
          method: route.method,
          url: route.path.replaceAll(/\{(\w+)\}/g, ":$1"),
          handler: async (request: FastifyRequest, reply: FastifyReply) =>
            reply.send(applyHead(reply, await route.handle(rawRequest(request)))),
        });
      }
    });
  };
}

/** Fastify's request has these properties. */
function rawRequest(request: FastifyRequest): RawRequest {
  return request as unknown as RawRequest;
}
