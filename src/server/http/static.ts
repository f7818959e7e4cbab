import { existsSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import fastifyStatic from "@fastify/static";
import type { FastifyInstance } from "fastify";
import { notFound } from "../errors.js";
import { openPages } from "./pages.js";

/**
 * Serves the built web app: its files, which carry a hash in their names, and its page (pages.ts) for
 * every other address that is not the API's.
 */
export async function mountStatic(
  app: FastifyInstance,
  folder: string,
  position: () => string,
): Promise<void> {
  if (existsSync(join(folder, "index.html"))) {
    await app.register(fastifyStatic, {
      root: folder,
      wildcard: false,
      index: false,
      cacheControl: false,
      // The build leaves Brotli and gzip beside every file (scripts/prepare.mjs).
      preCompressed: true,
      setHeaders: (reply, path) => {
        reply.header(
          "cache-control",
          path.includes("/assets/") ? "public, max-age=31536000, immutable" : "no-cache",
        );
      },
    });
    const pageFor = await openPages(app, folder, position);
    app.get("/*", async (request, reply) => {
      if (/^\/(api|git|assets)\//.test(request.url)) throw notFound();
      const { isPersonal, parts } = pageFor(request);
      // What is in it is nobody else's, and gone when its reader has signed out.
      reply.header("cache-control", isPersonal ? "no-store" : "no-cache");
      return reply.type("text/html; charset=utf-8").send(Readable.from(parts));
    });
  }
  app.setNotFoundHandler(() => {
    throw notFound();
  });
}
