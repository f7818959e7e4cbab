import { existsSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import fastifyStatic from "@fastify/static";
import type { FastifyInstance } from "fastify";
import { isPageAddress } from "#shared/pages.js";
import { openPages } from "./pages.js";
import { pathOf } from "../http/server/supported-methods.js";
import { answerUnknown, unknownPath } from "../http/server/unknown-path.js";
import { addVary } from "../http/answers/vary.js";

/**
 * Serves the files of the built web app, whose names carry a hash, and its page (`pages.ts`) at the
 * addresses of pages. At any other address a browser gets the page with 404, and other clients get a
 * problem document.
 */
export async function registerStatic(
  app: FastifyInstance,
  folder: string,
  position: () => string,
  waitMs: number,
): Promise<void> {
  if (existsSync(join(folder, "index.html"))) {
    await app.register(fastifyStatic, {
      root: folder,
      wildcard: false,
      index: false,
      cacheControl: false,
      // The build writes Brotli and gzip variants beside every file (scripts/prepare.mjs).
      preCompressed: true,
      setHeaders: (reply, path) => {
        reply.header(
          "cache-control",
          path.includes("/assets/") ? "public, max-age=31536000, immutable" : "no-cache",
        );
      },
    });
    const pageFor = await openPages(app, folder, position, waitMs);
    app.get("/*", async (request, reply) => {
      const path = pathOf(request);
      const isPage = isPageAddress(path);
      if (!isPage && (isNoPage(path) || !request.headers.accept?.includes("text/html"))) {
        throw unknownPath(request);
      }
      if (!isPage) reply.code(404);
      const { isPersonal, parts } = pageFor(request);
      addVary(reply, "Accept, Cookie");
      // Pages with personal data must not be shown to other users or after a sign-out.
      reply.header("cache-control", isPersonal ? "no-store" : "no-cache");
      return reply.type("text/html; charset=utf-8").send(Readable.from(parts));
    });
  }
  app.setNotFoundHandler(answerUnknown);
}

/** Whether an address is reserved for the API, git, operators or files, so that it is never a page. */
function isNoPage(path: string): boolean {
  return /^\/(?:api|git|assets|metrics|version|\.well-known)(?:\/|$)|\.[^/]*$/.test(path);
}
