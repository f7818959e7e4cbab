import { existsSync } from "node:fs";
import { join } from "node:path";
import fastifyStatic from "@fastify/static";
import type { FastifyInstance } from "fastify";
import { notFound } from "../errors.js";

/**
 * Serves the built web app: its files, which carry a hash in their names, and its page for every
 * other address that is not the API's.
 */
export async function mountStatic(app: FastifyInstance, folder: string): Promise<void> {
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
    app.get("/*", async (request, reply) => {
      if (/^\/(api|git|assets)\//.test(request.url)) throw notFound();
      return reply.header("cache-control", "no-cache").sendFile("index.html");
    });
  }
  app.setNotFoundHandler(() => {
    throw notFound();
  });
}
