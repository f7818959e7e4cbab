import { matchPath, type ApiRequest } from "./forge-double.js";

export type Kind =
  | "string"
  | "number"
  | "boolean"
  | "strings"
  | "numbers"
  | { [field: string]: Kind }
  | readonly [Kind];

/** The parameters and the body of a request, by their names in the generated types of the forge's client. */
export interface DescribedRequest {
  query?: Partial<Record<string, Kind>>;
  body?: Partial<Record<string, Kind>>;
}

/** Finds the description of a request, as in `GET /repos/{owner}/{repo}`, with the parts of its path. */
export function findDescribed(
  described: Readonly<Record<string, DescribedRequest>>,
  { method, path }: Pick<ApiRequest, "method" | "path">,
) {
  for (const [name, request] of Object.entries(described)) {
    const [verb, template = ""] = name.split(" ");
    const parts = verb === method ? matchPath(template, path) : null;
    if (parts) return { name, request, parts };
  }
  return null;
}

/** Returns why a request does not fit its description; null if it does. */
export function checkFields(
  described: Readonly<Record<string, DescribedRequest>>,
  request: ApiRequest,
): string | null {
  const found = findDescribed(described, request);
  if (!found) return "is no request of the description";
  const { query = {}, body = {} } = found.request;
  for (const [name, text] of request.query) {
    const kind = query[name];
    if (kind === undefined) return `has the unknown parameter ${name}`;
    if (kind === "number" && !/^\d+$/.test(text)) return `${name} is no number`;
    if (kind === "boolean" && !/^(?:true|false)$/.test(text)) return `${name} is no boolean`;
  }
  return problemOf(request.body, body as Record<string, Kind>, "the body");
}

function problemOf(value: unknown, kind: Kind, name: string): string | null {
  if (Array.isArray(kind)) {
    if (!Array.isArray(value)) return `${name} is no list`;
    return value.map((one) => problemOf(one, kind[0] as Kind, name)).find(Boolean) ?? null;
  }
  if (typeof kind === "object") {
    if (typeof value !== "object" || value === null) return `${name} is no object`;
    for (const [field, inner] of Object.entries(value)) {
      const known = (kind as Record<string, Kind>)[field];
      if (known === undefined) return `${name} has the unknown field ${field}`;
      const problem = problemOf(inner, known, field);
      if (problem !== null) return problem;
    }
    return null;
  }
  return isOfKind(value, kind) ? null : `${name} is no ${kind}`;
}

function isOfKind(value: unknown, kind: string): boolean {
  if (kind === "strings" || kind === "numbers") {
    const each = kind.slice(0, -1);
    return Array.isArray(value) && value.every((one) => typeof one === each);
  }
  return typeof value === kind;
}
