import type { FastifyInstance, FastifyRequest } from "fastify";
import { isPageAddress } from "#shared/pages.js";

interface KnownPaths {
  /** The methods of paths without parameters, such as files. */
  exact: Map<string, Set<string>>;
  /** The methods of paths with parameters. */
  patterns: Map<string, { pattern: RegExp; methods: Set<string> }>;
}

/** The paths of each server. */
const pathsOf = new WeakMap<object, KnownPaths>();

/** Records the methods of every route that is registered from now on. */
export function recordMethods(app: FastifyInstance): void {
  const known: KnownPaths = { exact: new Map(), patterns: new Map() };
  pathsOf.set(app.server, known);
  app.addHook("onRoute", ({ url, method }) => {
    // Pages are known by their addresses, see below.
    if (url === "/*") return;
    for (const one of [method].flat()) add(known, url, one);
  });
}

function add({ exact, patterns }: KnownPaths, url: string, method: string): void {
  if (!/[:*]/.test(url)) {
    exact.set(url, (exact.get(url) ?? new Set()).add(method));
    return;
  }
  const source = url
    .replaceAll(/[.+?^$()|[\]{}\\]/g, String.raw`\$&`)
    .replaceAll("*", ".+")
    .replaceAll(/:\w+/g, "[^/]+");
  const entry = patterns.get(url) ?? { pattern: new RegExp(`^${source}$`), methods: new Set() };
  entry.methods.add(method);
  patterns.set(url, entry);
}

/** Returns the path of a request without its query. */
export function pathOf({ url }: Pick<FastifyRequest, "url">): string {
  return url.split("?", 1)[0] as string;
}

/** Returns the methods of the requested path in the form of `Allow`; empty for an unknown path. */
export function methodsAt(request: FastifyRequest): string[] {
  const path = pathOf(request).replace(/(?<=.)\/$/, "");
  const known = pathsOf.get(request.server.server);
  const found = new Set(known?.exact.get(path));
  for (const { pattern, methods } of known?.patterns.values() ?? []) {
    if (pattern.test(path)) for (const method of methods) found.add(method);
  }
  if (isPageAddress(path)) found.add("GET").add("HEAD");
  return found.size === 0 ? [] : [...found.add("OPTIONS")].toSorted();
}
