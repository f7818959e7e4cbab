import { z } from "zod";
import { errorCodes, type ErrorCode } from "../errors.js";
import { components } from "./components.js";
import type { Endpoint } from "./endpoint.js";
import { errorCodesOf } from "./error-codes-of.js";
import { api } from "../api/index.js";

type JsonObject = Record<string, unknown>;

/** The location of named schemas in the document. */
const place = "#/components/schemas/";

const problemSchema = {
  type: "object",
  description: "An error; `detail` says what to do next (RFC 9457)",
  required: ["type", "title", "status", "detail", "code", "request_id"],
  properties: {
    type: { type: "string", description: "The type of the problem, by its code" },
    title: { type: "string", description: "A short summary" },
    status: { type: "integer", description: "The HTTP status" },
    detail: { type: "string", description: "What to do next, in one sentence" },
    code: { type: "string", enum: Object.keys(errorCodes) },
    request_id: {
      type: "string",
      format: "uuid",
      description: "The id of the request in the server's log",
    },
    errors: {
      type: "array",
      description: "The invalid fields of the request",
      items: {
        type: "object",
        required: ["loc", "msg", "type"],
        properties: {
          loc: {
            type: "array",
            description: "The location, such as `body`, `slug`",
            items: { type: ["string", "integer"] },
          },
          msg: { type: "string", description: "What to enter" },
          type: { type: "string", description: "The violated rule" },
        },
      },
    },
  },
  additionalProperties: true,
};

/** The error responses of a call: for each status the codes that it can have. */
function errorResponsesOf(endpoint: Endpoint): JsonObject {
  const codes = errorCodesOf(endpoint).toSorted();
  const statusOf = (code: ErrorCode): number => errorCodes[code][0];
  return Object.fromEntries(
    [...new Set(codes.map(statusOf))].map((status) => [
      status,
      errorResponse(codes.filter((code) => statusOf(code) === status)),
    ]),
  );
}

function errorResponse(codes: readonly ErrorCode[]): JsonObject {
  const schema = {
    allOf: [
      { $ref: `${place}Problem` },
      { type: "object", properties: { code: { enum: codes } }, required: ["code"] },
    ],
  };
  return {
    description: codes.map((code) => errorCodes[code][1]).join("; "),
    content: { "application/problem+json": { schema } },
  };
}

/** The named schemas found so far. */
type Schemas = Map<string, JsonObject>;

/**
 * Converts a schema to JSON Schema (draft 2020-12, as in OpenAPI 3.1). Named schemas are added to
 * `schemas` and referenced.
 * @throws if a named schema differs between requests and responses
 */
function schemaOf(schema: z.ZodType, io: "input" | "output", schemas: Schemas): JsonObject {
  const json = z.toJSONSchema(z.tuple([schema]), {
    io,
    unrepresentable: "any",
    metadata: components,
  }) as unknown as { prefixItems: [JsonObject]; $defs?: Record<string, JsonObject> };
  for (const [id, { id: _id, ...definition }] of Object.entries(json.$defs ?? {})) {
    const moved = referring(definition);
    const known = schemas.get(id);
    if (known && JSON.stringify(known) !== JSON.stringify(moved)) {
      throw new Error(`the schema ${id} has two meanings: name both in components.ts`);
    }
    schemas.set(id, moved);
  }
  return referring(json.prefixItems[0]);
}

/** Turns references inside a schema into references to the document. */
function referring(schema: JsonObject): JsonObject {
  return JSON.parse(JSON.stringify(schema).replaceAll('"#/$defs/', `"${place}`)) as JsonObject;
}

function parametersOf(
  schema: z.ZodObject | null,
  where: "path" | "query",
  schemas: Schemas,
): JsonObject[] {
  if (!schema) return [];
  const { properties = {}, required = [] } = schemaOf(schema, "input", schemas) as {
    properties?: JsonObject;
    required?: string[];
  };
  return Object.entries(properties).map(([name, field]) => ({
    name,
    in: where,
    required: where === "path" || required.includes(name),
    schema: field,
  }));
}

/** The response of a call that succeeds, in each of its media types. */
function successOf({ response, media }: Endpoint, schemas: Schemas): JsonObject {
  if (response === null && media.length === 0) return { description: "No content" };
  return {
    description: "Done",
    content: {
      ...(response && { "application/json": { schema: schemaOf(response, "output", schemas) } }),
      ...Object.fromEntries(media.map((type) => [type, { schema: { type: "string" } }])),
    },
  };
}

function operationOf(
  resource: string,
  name: string,
  endpoint: Endpoint,
  schemas: Schemas,
): JsonObject {
  return {
    operationId: `${resource}.${name}`,
    tags: [resource],
    summary: endpoint.summary,
    "x-access": endpoint.access,
    security: endpoint.access === "public" ? [] : [{ bearer: [] }, { session: [] }],
    parameters: [
      ...parametersOf(endpoint.params, "path", schemas),
      ...parametersOf(endpoint.query, "query", schemas),
    ],
    ...(endpoint.body && {
      requestBody: {
        required: !endpoint.body.safeParse(undefined).success,
        content: { "application/json": { schema: schemaOf(endpoint.body, "input", schemas) } },
      },
    }),
    ...(endpoint.secrets.length > 0 && { "x-secrets": endpoint.secrets }),
    responses: {
      [endpoint.status]: successOf(endpoint, schemas),
      ...(endpoint.accepted && {
        202: {
          description: "Queued",
          content: {
            "application/json": { schema: schemaOf(endpoint.accepted, "output", schemas) },
          },
        },
      }),
      ...errorResponsesOf(endpoint),
    },
  };
}

/** Builds the OpenAPI 3.1 document of the whole API from its endpoints. */
export function openApiDocument(serverUrl: string): JsonObject {
  const schemas: Schemas = new Map([["Problem", problemSchema]]);
  const paths: Record<string, JsonObject> = {};
  for (const [resource, endpoints] of Object.entries(api)) {
    for (const [name, endpoint] of Object.entries(endpoints as Record<string, Endpoint>)) {
      const path = (paths[endpoint.path] ??= {});
      path[endpoint.method.toLowerCase()] = operationOf(resource, name, endpoint, schemas);
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
      schemas: Object.fromEntries(
        [...schemas].toSorted(([one], [other]) => (one < other ? -1 : 1)),
      ),
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", description: "An access token or an API key" },
        session: { type: "apiKey", in: "cookie", name: "omoi_session" },
      },
    },
  };
}
