import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type {
  AcceptedOf,
  Endpoint,
  ParsedRequestOf,
  ResponseOf,
} from "#shared/contract/endpoint.js";
import { isItem } from "#shared/contract/item-path.js";
import { isDatabaseUnavailable } from "../db/connection/failures.js";
import { AppError, outcomeUnknown } from "../errors.js";
import type { ActorKey } from "../access/authenticate.js";
import { requireNoMaintenance } from "../access/maintenance.js";
import { Answer, applyHead, type Content } from "./answers/answer.js";
import { checkedErrors } from "./answers/check-error.js";
import { keepUncompressed } from "./answers/compression.js";
import { withEntityTag, type ReadItem } from "./answers/conditional.js";
import { createdLocation } from "./answers/created-location.js";
import { requireHome } from "./forwarding/home-availability.js";
import { changeItem } from "./requests/change-item.js";
import { withIdempotencyKey } from "./requests/idempotency.js";
import { isCounted } from "./requests/internal-call.js";
import { endWhenStopping } from "./answers/end-when-stopping.js";
import type { ActiveRequests } from "./server/graceful-shutdown.js";
import { parse, parseParams } from "./requests/parse-request.js";
import {
  bodyContextOf,
  callerOf,
  pathContextOf,
  tenancyOf,
  type ActorContext,
  type ContextOptions,
  type OrgContext,
  type PublicContext,
} from "./requests/request-context.js";
import { textOf } from "./fast-path/prepared-json.js";
import { addVary } from "./answers/vary.js";

type ContextOf<E extends Endpoint> = E["access"] extends "public"
  ? PublicContext
  : E["tenant"] extends null
    ? ActorContext
    : E["access"] extends "signed-in" | "super-admin"
      ? ActorContext
      : OrgContext;

type ContentOf<E extends Endpoint> = [E["media"][number]] extends [never]
  ? never
  : Content<E["media"][number]>;

type Handler<E extends Endpoint> = (
  context: ContextOf<E>,
  request: ParsedRequestOf<E>,
) => Promise<ResponseOf<E> | Answer<ResponseOf<E>> | Answer<AcceptedOf<E>> | ContentOf<E>>;

/** A handler for each call of a resource. A missing handler is a compile error. */
export type Handlers<Resource> = {
  [Name in keyof Resource]: Resource[Name] extends Endpoint ? Handler<Resource[Name]> : never;
};

export interface RouteOptions extends ContextOptions {
  /** The installation's secret. */
  secret: string;
  /** Whether responses and error codes are checked against the calls: in every test, not in production. */
  checkResponses: boolean;
  requests: ActiveRequests;
  /**
   * Readers of single items by the path of their GET, filled by `registerRoutes` and used for If-Match.
   */
  items: Map<string, ReadItem<PublicContext>>;
}

type Parts = { params: unknown; query: unknown; body: unknown };

/** Adds a group of routes to the server. */
export type Routes = (app: FastifyInstance, options: RouteOptions) => void;

/** Returns the routes of one resource's calls. */
export function routesOf<Resource extends Record<string, Endpoint>>(
  resource: Resource,
  handlers: Handlers<Resource>,
): Routes {
  return (app, options) => registerRoutes(app, resource, handlers, options);
}

/**
 * Serves the calls of one resource: parses the input, authenticates and authorizes the caller,
 * responds.
 */
function registerRoutes<Resource extends Record<string, Endpoint>>(
  app: FastifyInstance,
  resource: Resource,
  handlers: Handlers<Resource>,
  options: RouteOptions,
): void {
  for (const [name, endpoint] of Object.entries(resource)) {
    const handle = handlers[name as keyof Resource] as unknown as (
      context: PublicContext,
      request: Parts,
    ) => Promise<unknown>;
    // Most requests have no query, so its defaults are computed once.
    const noQuery = endpoint.query?.safeParse({}) ?? { success: true, data: undefined };
    if (endpoint.access === undefined) throw new Error(`${endpoint.path} declares no access`);
    const tenancy = tenancyOf(endpoint);
    const isRead = endpoint.method === "GET";
    if (isRead && isItem(endpoint)) {
      options.items.set(endpoint.path, async (caller, params) => {
        const context =
          tenancy?.place === "params"
            ? await pathContextOf(endpoint, tenancy.key, params, caller, options)
            : caller;
        const answer = await handle(context, { params, query: noQuery.data, body: undefined });
        return answer instanceof Answer ? (answer.body as unknown) : answer;
      });
    }
    const label = `${endpoint.method} ${endpoint.path}`;
    const vary = varyOf(endpoint);
    const withoutSecrets = endpoint.secrets.length > 0 ? redaction(endpoint.secrets) : null;
    const respond = async (
      caller: PublicContext,
      request: FastifyRequest,
      reply: FastifyReply,
    ): Promise<unknown> => {
      const params = parseParams(endpoint, request);
      const context =
        tenancy?.place === "params"
          ? await pathContextOf(endpoint, tenancy.key, params, caller, options)
          : caller;
      const isPlainUrl = Object.keys(request.query as object).length === 0;
      const query =
        isPlainUrl && noQuery.success ? noQuery.data : parse(endpoint, "query", request.query);
      const body = parse(endpoint, "body", request.body ?? undefined);
      const full =
        tenancy?.place === "body"
          ? await bodyContextOf(endpoint, tenancy.key, context, body, options)
          : context;
      requireHome(request);
      if (!endpoint.inMaintenance) await requireNoMaintenance(options.db);
      reply.code(endpoint.status);
      if (withoutSecrets) {
        reply.header("cache-control", "no-store");
        keepUncompressed(reply);
      }
      const run = async (): Promise<unknown> => {
        const { changes } = options.db;
        try {
          const answer = await handle(full, { params, query, body });
          return answer instanceof Answer ? applyHead(reply, answer) : answer;
        } catch (error) {
          // An earlier transaction of the call is committed; the rest of it may not be.
          const isHalf =
            (full as Partial<OrgContext>).hasChanged?.() === true ||
            options.db.hasChanged(full as ActorContext);
          throw isHalf && isDatabaseUnavailable(error) ? outcomeUnknown(error) : error;
        } finally {
          // Read-your-writes for the caller; a revocation waits for every process.
          if (endpoint.revokes) await changes.syncAll();
          else if (!endpoint.safe) await changes.syncLocal();
        }
      };
      if (isRead) return tagged(request, reply, await run());
      if (endpoint.access === "public") return run();
      const runLocked = (ifMatch?: string): Promise<unknown> =>
        changeItem(full, endpoint, params, ifMatch, run, options);
      if (endpoint.method !== "POST") return runLocked(request.headers["if-match"]);
      const { actor } = full as ActorContext;
      return withIdempotencyKey(options, actor, request, reply, runLocked, withoutSecrets);
    };
    const serve = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
      if (vary !== null) addVary(reply, vary);
      const caller = await callerOf(endpoint, request, options);
      const key = (caller as Partial<ActorContext>).actor?.key;
      const data = key
        ? await counted(key, label, request, reply, options, () => respond(caller, request, reply))
        : await respond(caller, request, reply);
      endWhenStopping(request, reply);
      if (endpoint.location !== null && reply.statusCode === 201) {
        reply.header("location", createdLocation(endpoint.location, request.params, data));
      }
      if (data === undefined) {
        reply.send();
        return;
      }
      const prepared = typeof data === "object" && data !== null && textOf(data);
      const schema = reply.statusCode === 202 ? endpoint.accepted : endpoint.response;
      if (options.checkResponses && schema && isPlain(data)) {
        schema.parse(prepared ? JSON.parse(prepared) : data);
      }
      if (prepared) reply.type("application/json; charset=utf-8").send(prepared);
      else reply.send(data);
    };
    app.route({
      method: endpoint.method,
      url: endpoint.path.replaceAll(/\{(\w+)\}/g, ":$1"),
      ...(options.checkResponses && { errorHandler: checkedErrors(endpoint) }),
      // Returns no promise: Fastify would watch the connection until the response is sent.
      handler: (request, reply) => {
        const { requests } = options;
        requests.begin(request);
        serve(request, reply)
          .catch((error: unknown) => {
            reply.send(error);
          })
          .finally(() => requests.end(request));
      },
    });
  }
}

/** Applies the key's rate limit and counts the response by its status. */
async function counted(
  key: ActorKey,
  label: string,
  request: FastifyRequest,
  reply: FastifyReply,
  { credentials, secret }: RouteOptions,
  answer: () => Promise<unknown>,
): Promise<unknown> {
  try {
    if (key.perMinute !== null && !isCounted(request, secret)) {
      reply.headers(await credentials.consumeRateLimit(key));
    }
    const data = await answer();
    key.answered(label, reply.statusCode);
    return data;
  } catch (error) {
    key.answered(label, error instanceof AppError ? error.status : 500);
    throw error;
  }
}

/** Adds an ETag to the response of a GET that returns an item or a list. */
function tagged(request: FastifyRequest, reply: FastifyReply, data: unknown): unknown {
  return data !== undefined && isPlain(data) ? withEntityTag(request, reply, data as object) : data;
}

/** Returns the request headers on which the responses of a call depend. */
function varyOf({ access, media, response }: Endpoint): string | null {
  const names = [
    ...(access === "public" ? [] : ["Authorization", "Cookie"]),
    ...(media.length + (response ? 1 : 0) > 1 ? ["Accept"] : []),
  ];
  return names.length === 0 ? null : names.join(", ");
}

/** Returns a function that sets fields of a body to null. */
function redaction(fields: readonly string[]): (data: unknown) => unknown {
  const redacted = Object.fromEntries(fields.map((field) => [field, null]));
  return (data) => ({ ...(data as object), ...redacted });
}

/** Whether a response is a plain object or a list, and not a stream. */
function isPlain(data: unknown): boolean {
  return Array.isArray(data) || Object.getPrototypeOf(data) === Object.prototype;
}
