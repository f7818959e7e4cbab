import type { FastifyInstance } from "fastify";
import type { Endpoint } from "#shared/contract/endpoint.js";
import { api } from "#shared/api/index.js";
import { openApiDocument } from "#shared/contract/openapi.js";

/** Serves the OpenAPI document and a readable page of all calls. */
export function registerDocs(app: FastifyInstance, publicUrl: () => string): void {
  let document: { url: string; text: string } | undefined;
  app.get("/api/v1/openapi.json", async (_request, reply) => {
    const url = publicUrl();
    // Half a megabyte: built for the first request. The port may be known only after the start.
    if (document?.url !== url) document = { url, text: JSON.stringify(openApiDocument(url)) };
    return reply.type("application/json; charset=utf-8").send(document.text);
  });
  app.get("/api/docs", async (_request, reply) =>
    reply.type("text/html; charset=utf-8").send(page()),
  );
  // A separate file, because the content security policy forbids inline styles.
  app.get("/api/docs.css", async (_request, reply) =>
    reply.type("text/css; charset=utf-8").send(styles),
  );
}

const styles = `:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}body{max-width:72rem;margin:0 auto;padding:1rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.4rem .8rem .4rem 0;border-bottom:1px solid #8884;font-weight:400}
thead th{font-weight:600}code{font:14px ui-monospace,monospace;overflow-wrap:anywhere}
`;

function page(): string {
  const sections = Object.entries(api).map(([resource, endpoints]) => {
    const rows = Object.values(endpoints as Record<string, Endpoint>).map(
      ({ method, path, summary, access, errors }) =>
        `<tr><th scope="row"><code>${method}</code> <code>${escape(path)}</code></th><td>${escape(summary)}</td><td><code>${escape(access)}</code></td><td>${errors.map((code) => `<code>${code}</code>`).join(" ")}</td></tr>`,
    );
    return `<h2 id="${resource}">${resource}</h2><table><thead><tr><th scope="col">Call</th><th scope="col">What it does</th><th scope="col">Needs</th><th scope="col">Its own errors</th></tr></thead><tbody>${rows.join("")}</tbody></table>`;
  });
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Omoi API reference</title><link rel="icon" href="data:,"><link rel="stylesheet" href="/api/docs.css"></head><body><main>
<h1>Omoi API reference</h1><p>Send an access token or an API key as <code>Authorization: Bearer …</code>.
Schemas, and all errors by status, are in the <a href="/api/v1/openapi.json">OpenAPI document</a>.</p>${sections.join("")}</main></body></html>`;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
