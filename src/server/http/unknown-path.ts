import type { FastifyRequest } from "fastify";
import type { Endpoint } from "#shared/contract/endpoint.js";
import { api } from "#shared/api/index.js";
import { AppError, notFound } from "../errors.js";

/** The methods of each path of the API. */
const methodsOf = new Map<string, Set<string>>();
for (const endpoints of Object.values(api)) {
  for (const { method, path } of Object.values(endpoints as Record<string, Endpoint>)) {
    const methods = methodsOf.get(path) ?? new Set();
    methodsOf.set(path, methods.add(method));
    if (method === "GET") methods.add("HEAD");
  }
}
const paths = [...methodsOf].map(([path, methods]) => ({
  pattern: new RegExp(`^${path.replaceAll(".", "\\.").replaceAll(/\{\w+\}/g, "[^/]+")}/?$`),
  methods,
}));

/** Returns the path of a request without its query. */
export function pathOf({ url }: Pick<FastifyRequest, "url">): string {
  return url.split("?", 1)[0] as string;
}

/** @returns AppError 405 with `Allow` if the path supports other methods; else 404 */
export function unknownPath(request: FastifyRequest): AppError {
  const path = pathOf(request);
  const methods = paths.flatMap((known) => (known.pattern.test(path) ? [...known.methods] : []));
  if (methods.length === 0 || methods.includes(request.method)) return notFound();
  const allow = [...new Set(methods)].toSorted().join(", ");
  return new AppError("method_not_allowed", `This address takes ${allow}; use one of these.`, {
    headers: { allow },
  });
}
