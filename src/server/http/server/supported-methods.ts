import { METHODS } from "node:http";
import type { FastifyInstance, FastifyRequest } from "fastify";
import findMyWay from "find-my-way";
import { isPageAddress } from "#shared/pages.js";

type Router = findMyWay.Instance<findMyWay.HTTPVersion.V1>;

/** The routes of each server. Fastify does not tell which methods a path has. */
const routersOf = new WeakMap<object, Router>();

/** Records the methods of every route that is registered from now on. */
export function recordMethods(app: FastifyInstance): void {
  const router: Router = findMyWay({ maxParamLength: Number.MAX_SAFE_INTEGER });
  routersOf.set(app.server, router);
  app.addHook("onRoute", ({ url, method }) => {
    // Pages are known by their addresses, see below.
    if (url !== "/*") router.on([method].flat() as findMyWay.HTTPMethod[], url, () => {});
  });
}

/** Returns the path of a request without its query. */
export function pathOf({ url }: Pick<FastifyRequest, "url">): string {
  return url.split("?", 1)[0] as string;
}

/** Returns the methods of the requested path in the form of `Allow`; empty for an unknown path. */
export function methodsAt(request: FastifyRequest): string[] {
  const path = pathOf(request).replace(/(?<=.)\/$/, "");
  const router = routersOf.get(request.server.server);
  const found = new Set(
    METHODS.filter((method) => router?.find(method as findMyWay.HTTPMethod, path)),
  );
  if (isPageAddress(path)) found.add("GET").add("HEAD");
  return found.size === 0 ? [] : [...found.add("OPTIONS")].toSorted();
}
