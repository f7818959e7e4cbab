import { randomUUID } from "node:crypto";
import fastifyCookie from "@fastify/cookie";
import fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from "fastify";
import type { Logger } from "pino";
import { isWithin } from "#shared/node/networks.js";
import type { Config } from "../../config/config.js";
import { isRunAddress } from "./callback-listener.js";
import { compressResponses } from "../answers/compression.js";
import { headerLimits, limitConnections } from "./connection-limits.js";
import { allowOrigins } from "./cors.js";
import { batchResponses } from "../fast-path/batched-flush.js";
import { countRequests, dropUnusedConnections, type ActiveRequests } from "./graceful-shutdown.js";
import { logRequest, observeRequests, type ObservedRequest } from "./observe-requests.js";
import { clientErrorHandler, sendProblem } from "../answers/problem.js";
import { sendMalformed } from "../raw-routes.js";
import { recordMethods } from "./supported-methods.js";

type HttpConfig = Pick<
  Config,
  | "trustedProxies"
  | "requestTimeoutSeconds"
  | "maxConnectionsPerAddress"
  | "corsOrigins"
  | "forgePrivateHosts"
>;

/**
 * Creates the HTTP server without routes but with everything common to all requests: limits, headers,
 * errors, cookies and metrics.
 * @param publicUrl address of the pages that explain errors
 * @param onEnd called once per client request, after the response
 */
export async function createHttpServer(
  config: HttpConfig,
  log: Logger,
  publicUrl: () => string,
  onEnd: (request: ObservedRequest) => void,
): Promise<{ app: FastifyInstance; requests: ActiveRequests }> {
  const { trustedProxies, requestTimeoutSeconds: requestSeconds } = config;
  const app: FastifyInstance = fastify({
    // main.ts logs the address; Fastify would log it again at info.
    loggerInstance: log.child(
      {},
      { level: log.level === "info" ? "warn" : log.level },
    ) as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => randomUUID(),
    requestIdHeader: false,
    bodyLimit: 1024 * 1024,
    trustProxy: trustedProxies.length > 0 ? isTrustedProxy(trustedProxies) : false,
    routerOptions: { maxParamLength: 200, ignoreTrailingSlash: true },
    http: headerLimits({ requestSeconds }),
    forceCloseConnections: "idle",
    frameworkErrors: sendMalformed,
    clientErrorHandler: clientErrorHandler(publicUrl),
  });
  app.decorate("publicUrl", publicUrl);
  recordMethods(app);
  const requests = countRequests(app);
  observeRequests(app, (request) => {
    onEnd(request);
    logRequest(log, request);
  });
  app.setErrorHandler((error, request, reply) => sendProblem(error, request, reply));
  const pageHeaders = pageHeadersOf(config);
  app.addHook("onRequest", (request, reply, done) => {
    reply.header("x-request-id", request.id);
    reply.headers(request.url.startsWith("/api/v1/") ? dataHeaders : pageHeaders);
    done();
  });
  allowOrigins(app, config.corsOrigins);
  limitConnections(app, {
    requestSeconds,
    perAddress: config.maxConnectionsPerAddress,
    trustedProxies,
  });
  dropUnusedConnections(app);
  parseJsonOrNothing(app);
  await app.register(fastifyCookie);
  compressResponses(app);
  batchResponses(app);
  return { app, requests };
}

/**
 * Accepts JSON as the only media type of a body (415 for others). An empty body of that type is
 * accepted.
 */
function parseJsonOrNothing(app: FastifyInstance): void {
  const parseJson = app.getDefaultJsonParser("error", "error");
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "string" }, (request, body, done) => {
    if (body === "") done(null, undefined);
    else void parseJson(request, body as string, done);
  });
}

/** Trusts forwarding headers of the configured proxies, but never those of a run. */
export function isTrustedProxy(proxies: readonly string[]): (address: string) => boolean {
  return (address) => !isRunAddress(address) && proxies.some((proxy) => isWithin(address, proxy));
}

/**
 * Allows only the page's own scripts and styles, and no frames (OWASP secure headers). A form is sent to GitHub, or a
 * GitHub Enterprise Server, to make an App there.
 */
const pageHeadersOf = ({ forgePrivateHosts }: Pick<HttpConfig, "forgePrivateHosts">) => ({
  "content-security-policy":
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
    `object-src 'none'; base-uri 'none'; form-action 'self' https:${forgePrivateHosts ? " http:" : ""}; ` +
    "frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "same-origin",
});

/** Keeps browsers from running or framing an API response (OWASP, REST security). */
const dataHeaders = {
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
};
