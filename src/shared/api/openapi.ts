import { z } from "zod";
import type { Endpoint } from "./endpoint.js";
import { api } from "./index.js";

type JsonObject = Record<string, unknown>;

const problem = {
  description: "Refused; `detail` says what to do next (RFC 9457)",
  content: {
    "application/problem+json": {
      schema: {
        type: "object",
        required: ["type", "title", "status", "detail", "code", "request_id"],
        properties: Object.fromEntries(
          ["type", "title", "detail", "code", "request_id"].map((name) => [
            name,
            { type: "string" },
          ]),
        ),
      },
    },
  },
};

function schemaOf(schema: z.ZodType, io: "input" | "output"): JsonObject {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any" });
  return rest;
}

function parametersOf(schema: z.ZodObject | null, place: "path" | "query"): JsonObject[] {
  if (!schema) return [];
  const { properties = {}, required = [] } = schemaOf(schema, "input") as {
    properties?: JsonObject;
    required?: string[];
  };
  return Object.entries(properties).map(([name, field]) => ({
    name,
    in: place,
    required: place === "path" || required.includes(name),
    schema: field,
  }));
}

function operationOf(resource: string, name: string, endpoint: Endpoint): JsonObject {
  return {
    operationId: `${resource}.${name}`,
    tags: [resource],
    summary: endpoint.summary,
    "x-access": endpoint.access,
    security: endpoint.access === "public" ? [] : [{ bearer: [] }, { session: [] }],
    parameters: [
      ...parametersOf(endpoint.params, "path"),
      ...parametersOf(endpoint.query, "query"),
    ],
    ...(endpoint.body && {
      requestBody: {
        required: !endpoint.body.safeParse(undefined).success,
        content: { "application/json": { schema: schemaOf(endpoint.body, "input") } },
      },
    }),
    responses: {
      [endpoint.status]: endpoint.response
        ? {
            description: "Done",
            content: { "application/json": { schema: schemaOf(endpoint.response, "output") } },
          }
        : { description: "Done; no body" },
      default: problem,
    },
  };
}

/** The OpenAPI 3.1 document of the whole API, made from the same endpoints that serve it. */
export function openApiDocument(serverUrl: string): JsonObject {
  const paths: Record<string, JsonObject> = {};
  for (const [resource, endpoints] of Object.entries(api)) {
    for (const [name, endpoint] of Object.entries(endpoints as Record<string, Endpoint>)) {
      const path = (paths[endpoint.path] ??= {});
      path[endpoint.method.toLowerCase()] = operationOf(resource, name, endpoint);
    }
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Omoi",
      version: "1",
      description: "Organizations, agents, isolated git workspaces and API keys.",
    },
    servers: [{ url: serverUrl }],
    paths,
    components: {
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", description: "An access token or an API key" },
        session: { type: "apiKey", in: "cookie", name: "omoi_session" },
      },
    },
  };
}
