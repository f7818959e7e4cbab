import { z } from "zod";
import { errorCodes } from "../errors.js";
import { components } from "./components.js";
import type { Endpoint } from "./endpoint.js";
import { api } from "../api/index.js";

type JsonObject = Record<string, unknown>;

/** Where named schemas stand in the document. */
const place = "#/components/schemas/";

const problemSchema = {
  type: "object",
  required: ["type", "title", "status", "detail", "code", "request_id"],
  properties: {
    type: { type: "string", description: "What kind of problem it is, by its code" },
    title: { type: "string", description: "The problem in a few words" },
    status: { type: "integer", description: "The answer's HTTP status" },
    detail: { type: "string", description: "What to do next, in one sentence" },
    code: { type: "string", enum: Object.keys(errorCodes) },
    request_id: { type: "string", format: "uuid", description: "What the server's log calls it" },
    errors: {
      type: "array",
      description: "Each invalid field of the request",
      items: {
        type: "object",
        required: ["loc", "msg", "type"],
        properties: {
          loc: {
            type: "array",
            description: "Where it is, such as `body`, `slug`",
            items: { type: ["string", "integer"] },
          },
          msg: { type: "string", description: "What to enter" },
          type: { type: "string", description: "The rule that it breaks" },
        },
      },
    },
  },
  additionalProperties: true,
};

const problem = {
  description: "Refused; `detail` says what to do next (RFC 9457)",
  content: { "application/problem+json": { schema: { $ref: `${place}Problem` } } },
};

/** The statuses of refusals that follow from what a call takes; `default` stands for all others. */
function refusalsOf({ access, params, query, body }: Endpoint): JsonObject {
  const statuses = [
    ...(access === "public" ? [] : [401, 403]),
    ...(params ? [404] : []),
    ...(query || body ? [422] : []),
    "default",
  ];
  return Object.fromEntries(
    statuses.map((status) => [status, { $ref: "#/components/responses/Problem" }]),
  );
}

/** The document's named schemas, as they are found. */
type Schemas = Map<string, JsonObject>;

/**
 * A schema as JSON schema (draft 2020-12, which OpenAPI 3.1 takes). Named schemas, itself or within it, are
 * put into `schemas` and referred to.
 * @throws where a named schema is another one in requests than in answers
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
      throw new Error(`the schema ${id} stands for two: name them both in components.ts`);
    }
    schemas.set(id, moved);
  }
  return referring(json.prefixItems[0]);
}

/** References into a schema of its own as references into the document. */
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
    responses: {
      [endpoint.status]: endpoint.response
        ? {
            description: "Done",
            content: {
              "application/json": { schema: schemaOf(endpoint.response, "output", schemas) },
            },
          }
        : { description: "Done; no body" },
      ...refusalsOf(endpoint),
    },
  };
}

/** The OpenAPI 3.1 document of the whole API, made from the same endpoints that serve it. */
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
      responses: { Problem: problem },
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
