import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Logger } from "pino";
import type { Problem } from "#shared/errors.js";
import type { RequestHead } from "../access/request-head.js";
import { applyHead, Answer } from "./answers/answer.js";
import { endWhenStopping } from "./answers/end-when-stopping.js";
import { sendProblem } from "./answers/problem.js";
import type { Routes } from "./register-routes.js";
import { discardRest, limitBytes } from "./requests/limit-bytes.js";

/** A request to a route that is not part of the API. */
export interface RawRequest extends RequestHead {
  readonly id: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string | undefined>>;
  /** A stream for the media types of `bodies`. Destroying it discards the rest of the body. */
  readonly body: unknown;
  readonly raw: IncomingMessage;
  readonly log: Logger;
}

type RawMethod = "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" | "TRACE";

/**
 * A route that is not part of the API, such as git's protocol. The handler checks the caller and the
 * input.
 */
export interface RawRoute {
  method: RawMethod | RawMethod[];
  /** `{name}` is a parameter, and `*` at the end everything that follows, as the parameter `*`. */
  path: `/${string}`;
  handle(request: RawRequest): Promise<Answer<unknown>>;
}

interface RawRouteOptions {
  /**
   * Media types of bodies that handlers receive as streams, with the maximum number of bytes; Infinity
   * for a handler that limits them itself.
   */
  bodies?: Readonly<Record<string, number>>;
  /** Maps an error to the one that is sent, or to an answer. */
  toError?: (error: unknown, request: RawRequest) => unknown;
  /** Answers an error in the form of the protocol, in place of a problem document. */
  answerError?: (error: unknown, request: RawRequest) => Answer<unknown>;
  /** Answers requests below a path that match no route, by whatever method. */
  others?: Pick<RawRoute, "path" | "handle">;
  /** Whether the client shows errors to its user only as plain text. */
  wantsPlainErrors?: (request: RawRequest) => boolean;
}

export function rawRoutes(routes: readonly RawRoute[], options: RawRouteOptions = {}): Routes {
  const { bodies, toError = (error) => error, answerError, others, wantsPlainErrors } = options;
  return (app) => {
    void app.register(async (scope) => {
      if (bodies) {
        scope.removeAllContentTypeParsers();
        for (const [type, maxBytes] of Object.entries(bodies)) {
          scope.addContentTypeParser(type, (_request, payload, done) =>
            done(null, limitBytes(payload, maxBytes)),
          );
        }
      }
      if (answerError) {
        scope.setErrorHandler((error, request, reply) =>
          reply.send(applyHead(reply, answerError(error, rawRequest(request)))),
        );
      } else {
        scope.setErrorHandler(async (error, request, reply) => {
          const sent = toError(error, rawRequest(request));
          // A streamed body may stay unread, so the connection cannot carry another request.
          if (bodies && request.method === "POST") reply.header("connection", "close");
          if (request.body instanceof Readable && request.body.destroyed) {
            await discardRest(request.raw);
          }
          if (sent instanceof Answer) return reply.code(200).send(applyHead(reply, sent));
          sendProblem(sent, request, reply);
          return reply;
        });
      }
      if (others) {
        const { path: prefix, handle } = others;
        if (answerError) answerMalformed(app, prefix, answerError);
        void scope.register(
          async (below) => {
            below.setNotFoundHandler(async (request, reply) =>
              reply.send(applyHead(reply, await handle(rawRequest(request)))),
            );
          },
          { prefix },
        );
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
          handler: async (request: FastifyRequest, reply: FastifyReply) => {
            const answer = await route.handle(rawRequest(request));
            endWhenStopping(request, reply);
            return reply.send(applyHead(reply, answer));
          },
        });
      }
    });
  };
}

type AnswerError = NonNullable<RawRouteOptions["answerError"]>;

/** The forms of errors by path, of each server. */
const malformedAnswers = new WeakMap<object, Map<string, AnswerError>>();

/** Chooses the form in which requests below a path are answered that cannot be routed. */
function answerMalformed(app: FastifyInstance, prefix: string, answerError: AnswerError): void {
  const answers = malformedAnswers.get(app.server) ?? new Map<string, AnswerError>();
  malformedAnswers.set(app.server, answers.set(`${prefix}/`, answerError));
}

/** Answers a request whose address cannot be decoded or is too long, in the form of its protocol. */
export function sendMalformed(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const answers = malformedAnswers.get(request.server.server) ?? [];
  const found = [...answers].find(([prefix]) => request.raw.url?.startsWith(prefix));
  if (found === undefined) return sendProblem(error, request, reply);
  void reply.send(applyHead(reply, found[1](error, rawRequest(request))));
}

/** Narrows Fastify's request to the properties of `RawRequest`. */
function rawRequest(request: FastifyRequest): RawRequest {
  return request as unknown as RawRequest;
}
