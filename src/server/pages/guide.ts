/** The documentation of `docs/`, served at `/docs`. */
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import type { FastifyInstance } from "fastify";
import { Marked } from "marked";
import { notFound } from "../errors.js";

/** Beside the built server, or at the root of the source tree. */
const docsFolder = [
  join(import.meta.dirname, "../../docs"),
  join(import.meta.dirname, "../../../docs"),
].find((folder) => existsSync(folder));

/**
 * Serves the Markdown files of `docs/` as pages under their own names, so that links work both here and
 * in the repository. Serves their images, too. The names are read once, so that no other file can be
 * requested.
 */
export async function registerGuide(app: FastifyInstance): Promise<void> {
  if (docsFolder === undefined) return;
  const files = new Set(await filesBelow(docsFolder));
  app.get("/docs", async (_request, reply) => reply.redirect("/docs/README.md"));
  app.get("/docs/docs.css", async (_request, reply) =>
    reply.type("text/css; charset=utf-8").header("cache-control", "no-cache").send(styles),
  );
  app.get<{ Params: { "*": string } }>("/docs/*", async (request, reply) => {
    const path = request.params["*"];
    if (!files.has(path)) throw notFound();
    const file = join(docsFolder, path);
    reply.header("cache-control", "no-cache");
    if (path.endsWith(".png")) return reply.type("image/png").send(await readFile(file));
    return reply.type("text/html; charset=utf-8").send(pageOf(await readFile(file, "utf8")));
  });
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && /\.(md|png)$/.test(entry.name))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
}

const markdown = new Marked({
  renderer: {
    /** Documents contain no HTML: any HTML is shown as text. */
    html: ({ text }) => escape(text),
    heading({ tokens, depth }) {
      const text = this.parser.parseInline(tokens);
      return `<h${depth} id="${anchorOf(text)}">${text}</h${depth}>\n`;
    },
  },
});

/** Returns the anchor of a heading by GitHub's rules. */
function anchorOf(html: string): string {
  const text = html.replaceAll(/<[^>]*>|&[a-z#0-9]+;/g, "").toLowerCase();
  return text.replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-");
}

function pageOf(text: string): string {
  const title = /^# (.*)$/m.exec(text)?.[1] ?? "Documentation";
  const body = markdown.parse(text, { async: false });
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escape(title)} · Omoi</title><link rel="icon" href="data:,"><link rel="stylesheet" href="/docs/docs.css"></head><body>
<header><nav aria-label="Documentation"><a href="/docs/README.md">Documentation</a> <a href="/api/docs">API reference</a></nav></header><main>
${body}</main></body></html>`;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

const styles = `:root{color-scheme:light dark;font:16px/1.6 system-ui,sans-serif}body{max-width:48rem;margin:0 auto;padding:1rem}
nav{display:flex;gap:1rem}table{border-collapse:collapse;display:block;overflow-x:auto}th,td{text-align:left;vertical-align:top;padding:.4rem .8rem .4rem 0;border-bottom:1px solid #8884}
pre{overflow-x:auto;padding:.8rem;border:1px solid #8884;border-radius:.4rem}code{font:14px ui-monospace,monospace}:not(pre)>code{overflow-wrap:anywhere}img{max-width:100%}
`;
