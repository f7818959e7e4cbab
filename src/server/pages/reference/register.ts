import type { FastifyInstance, FastifyReply } from "fastify";
import { openApiDocument } from "#shared/contract/openapi.js";
import { notFound } from "../../errors.js";
import type { OpenApi } from "./document.js";
import { errorsPage, overviewPage, schemasPage, searchPage, tagPage } from "./pages.js";
import { styles } from "./styles.js";

interface Built {
  url: string;
  document: OpenApi;
  text: string;
  pages: Map<string, string>;
}

/** Longer queries find nothing. */
const maxQueryLength = 100;

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
        text: JSON.stringify(document),
        pages: new Map(),
      };
    }
    return built;
  };
  const send = (
    reply: FastifyReply,
    path: string,
    render: (document: OpenApi) => string,
  ): FastifyReply => {
    const { document, pages } = current();
    const page = pages.get(path) ?? render(document);
    pages.set(path, page);
    return sendHtml(reply, page);
  };

  app.get("/api/v1/openapi.json", async (_request, reply) =>
    reply.type("application/json; charset=utf-8").send(current().text),
  );
  app.get<{ Querystring: { q?: unknown } }>("/api/docs", async ({ query }, reply) => {
    const text = typeof query.q === "string" ? query.q.trim().slice(0, maxQueryLength) : "";
    return text === ""
      ? send(reply, "", overviewPage)
      : sendHtml(reply, searchPage(current().document, text));
  });
  app.get("/api/docs/errors", async (_request, reply) => send(reply, "errors", errorsPage));
  app.get("/api/docs/schemas", async (_request, reply) => send(reply, "schemas", schemasPage));
  app.get<{ Params: { tag: string } }>("/api/docs/:tag", async ({ params }, reply) => {
    const tag = current().document.tags.find(({ name }) => name === params.tag);
    if (tag === undefined) throw notFound();
    return send(reply, tag.name, (document) => tagPage(document, tag));
  });
  app.get("/api/docs.css", async (_request, reply) =>
    reply.type("text/css; charset=utf-8").header("cache-control", "no-cache").send(styles),
  );
}

function sendHtml(reply: FastifyReply, page: string): FastifyReply {
  return reply.type("text/html; charset=utf-8").header("cache-control", "no-cache").send(page);
}
