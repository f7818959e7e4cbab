/** Checks requests against GitHub's own description of its API, of which `operations.json` has what the server uses. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { matchPath, type ApiRequest } from "../forge-double.js";

interface Operation {
  parameters: { name: string; in: string; required: boolean; schema: object }[];
  body: { properties?: Record<string, object> } | null;
  isBodyRequired: boolean;
}

const { operations } = JSON.parse(
  readFileSync(join(import.meta.dirname, "operations.json"), "utf8"),
) as { operations: Record<string, Operation> };

/** Finds the operation of a request, as in `GET /repos/{owner}/{repo}`, with the parts of its path. */
export function operationOf({ method, path }: Pick<ApiRequest, "method" | "path">) {
  for (const [name, operation] of Object.entries(operations)) {
    const [verb, template = ""] = name.split(" ");
    const parts = verb === method ? matchPath(template, path) : null;
    if (parts) return { name, operation, parts };
  }
  return null;
}

/** Returns why a request does not fit the description; null if it does. */
export function checkGithubRequest(request: ApiRequest): string | null {
  const found = operationOf(request);
  if (!found) return "GitHub's description has no such operation among those used";
  const { operation, parts } = found;
  for (const { name, in: place, required, schema } of operation.parameters) {
    const given = place === "path" ? parts[name] : (request.query.get(name) ?? undefined);
    if (given === undefined) {
      if (required && place === "query") return `lacks ${name}`;
      continue;
    }
    const { type } = schema as { type?: string };
    const value =
      type === "integer" ? Number(given) : type === "boolean" ? given === "true" : given;
    const problem = problemOf(schema, value);
    if (problem !== null) return `${name} ${problem}`;
  }
  const inQuery = operation.parameters.filter((one) => one.in === "query");
  const named = new Set(inQuery.map(({ name }) => name));
  for (const name of request.query.keys()) {
    if (!named.has(name)) return `has the unknown parameter ${name}`;
  }
  const fields = Object.keys(request.body);
  if (operation.body === null) return fields.length > 0 ? "has a body" : null;
  if (fields.length === 0 && !operation.isBodyRequired) return null;
  const { properties } = operation.body;
  const unknown = properties && fields.find((field) => !(field in properties));
  if (unknown !== undefined) return `has the unknown field ${unknown}`;
  return problemOf(operation.body, request.body);
}

function problemOf(schema: object, value: unknown): string | null {
  const converted = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0], {
    defaultTarget: "openapi-3.0",
  });
  const result = converted.safeParse(value);
  return result.success ? null : z.prettifyError(result.error);
}
