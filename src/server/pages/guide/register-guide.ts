/** The documentation of `docs/`, served at `/docs`. */
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import type { FastifyInstance } from "fastify";
import { notFound } from "../../errors.js";
import { constantBody, sendConstant, type ConstantBody } from "../../http/answers/constant-body.js";
import { guidePage, orderOf, served, styles, type GuidePage } from "./pages.js";

/** Beside the built server, or at the root of the source tree. */
const docsFolder = [
  join(import.meta.dirname, "../../../docs"),
  join(import.meta.dirname, "../../../../docs"),
].find((folder) => existsSync(folder));

/**
 * Serves the Markdown files of `docs/` as pages under their own names, so that links work both here and
 * in the repository. Serves their images, too. The names are read once, so that no other file can be
 * requested, and each file once, when it is first requested.
 */
export async function registerGuide(app: FastifyInstance): Promise<void> {
  if (docsFolder === undefined) return;
  const files = new Set(await filesBelow(docsFolder));
  const order = orderOf(await readFile(join(docsFolder, "README.md"), "utf8"));
  app.get("/docs", async (_request, reply) => reply.redirect("/docs/README.md"));
  const css = constantBody("text/css; charset=utf-8", styles);
  app.get("/docs/docs.css", (request, reply) => sendConstant(request, reply, css));
  const bodies = new Map<string, ConstantBody>();
  app.get<{ Params: { "*": string } }>("/docs/*", async (request, reply) => {
    const path = request.params["*"];
    if (!files.has(path)) throw notFound();
    const body = bodies.get(path) ?? (await bodyOf(docsFolder, path, order));
    bodies.set(path, body);
    return sendConstant(request, reply, body);
  });
}

async function bodyOf(
  folder: string,
  path: string,
  order: readonly GuidePage[],
): Promise<ConstantBody> {
  const file = join(folder, path);
  if (path.endsWith(".png")) return constantBody("image/png", await readFile(file));
  const html = guidePage(path, await readFile(file, "utf8"), order, served);
  return constantBody("text/html; charset=utf-8", html);
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && /\.(md|png)$/.test(entry.name))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
}
