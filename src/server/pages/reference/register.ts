import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { openApiDocument } from "#shared/contract/openapi.js";
import { callerNetwork } from "#shared/node/networks.js";
import { AppError, notFound } from "../../errors.js";
import { constantBody, sendConstant, type ConstantBody } from "../../http/answers/constant-body.js";
import { createCallRate } from "../../models/call-rate.js";
import type { OpenApi } from "./document.js";
import { errorsPage, overviewPage, schemasPage, searchPage, tagPage } from "./pages.js";
import { styles } from "./styles.js";

interface Built {
  url: string;
  document: OpenApi;
  json: ConstantBody;
  pages: Map<string, ConstantBody>;
}

/** Longer queries find nothing. */
const maxQueryLength = 100;

/** Requests without a sign-in for large texts, of one address: as many at once, and as many a minute. */
const REQUESTS_PER_MINUTE = 600;

/**
 * Serves the OpenAPI document and the reference made from it: an overview with a search, a page for each
 * group of calls, the schemas and the errors.
 */
export function registerReference(app: FastifyInstance, publicUrl: () => string): void {
  let built: Built | undefined;
  /** Built for the first request. The port, and so the address, may be known only after the start. */
  const current = (): Built => {
    const url = publicUrl();
    if (built?.url !== url) {
      const document = openApiDocument(url);
      built = {
        url,
        document: document as unknown as OpenApi,
        json: constantBody("application/json; charset=utf-8", JSON.stringify(document)),
        pages: new Map(),
      };
    }
    return built;
  };
  const send = (
    request: FastifyRequest,
    reply: FastifyReply,
    path: string,
    render: (document: OpenApi) => string,
  ): Promise<FastifyReply> => {
    const { document, pages } = current();
    const page = pages.get(path) ?? constantBody(html, render(document));
    pages.set(path, page);
    return sendConstant(request, reply, page);
  };

  const rate = createCallRate(REQUESTS_PER_MINUTE);
  const onRequest = async ({ ip }: FastifyRequest): Promise<void> => {
    const seconds = rate.take(callerNetwork(ip));
    if (seconds === null) return;
    const detail = `The reference is limited to ${REQUESTS_PER_MINUTE} requests a minute for each address; retry in ${seconds} seconds.`;
    throw new AppError("rate_limited", detail, { headers: { "retry-after": String(seconds) } });
  };

  app.get("/api/v1/openapi.json", { onRequest }, (request, reply) =>
    sendConstant(request, reply, current().json),
  );
  app.get<{ Querystring: { q?: unknown } }>("/api/docs", { onRequest }, async (request, reply) => {
    const { q } = request.query;
    const text = typeof q === "string" ? q.trim().slice(0, maxQueryLength) : "";
    if (text === "") return send(request, reply, "", overviewPage);
    reply.type(html).header("cache-control", "no-cache");
    return reply.send(searchPage(current().document, text));
  });
  app.get("/api/docs/errors", { onRequest }, (request, reply) =>
    send(request, reply, "errors", errorsPage),
  );
  app.get("/api/docs/schemas", { onRequest }, (request, reply) =>
    send(request, reply, "schemas", schemasPage),
  );
  app.get<{ Params: { tag: string } }>("/api/docs/:tag", { onRequest }, async (request, reply) => {
    const tag = current().document.tags.find(({ name }) => name === request.params.tag);
    if (tag === undefined) throw notFound();
    return send(request, reply, tag.name, (document) => tagPage(document, tag));
  });
  const css = constantBody("text/css; charset=utf-8", styles);
  app.get("/api/docs.css", (request, reply) => sendConstant(request, reply, css));
}

const html = "text/html; charset=utf-8";
