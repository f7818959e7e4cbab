import type { z } from "zod";
import { api } from "../api/index.js";
import { components } from "./components.js";
import type { Endpoint } from "./endpoint.js";
import { exampleOf, requestExample } from "./openapi/examples.js";
import {
  headerComponents,
  headerParameters,
  itemPaths,
  parameterComponents,
} from "./openapi/headers.js";
import {
  errorResponsesOf,
  sharedErrors,
  type SharedErrors,
  problemExample,
  problemSchema,
  successResponsesOf,
} from "./openapi/responses.js";
import { place, schemaOf, type JsonObject, type Schemas } from "./openapi/schemas.js";
import { tags } from "./openapi/tags.js";

function parametersOf(
  schema: z.ZodObject | null,
  where: "path" | "query",
  schemas: Schemas,
): JsonObject[] {
  if (!schema) return [];
  const { properties = {}, required = [] } = schemaOf(schema, "input", schemas) as {
    properties?: Record<string, JsonObject>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, { description, ...field }]) => ({
    name,
    in: where,
    required: where === "path" || required.includes(name),
    description,
    schema: field,
    ...((where === "path" || required.includes(name)) && {
      example: exampleOf(field, schemas, name),
    }),
  }));
}

/** Says what a call needs. */
function accessText({ access, orHolding, tenant }: Endpoint): string {
  if (access === "public") return "Needs no credential.";
  if (access === "signed-in") return "Needs a credential.";
  if (access === "super-admin") return "Only for super admins; 404 for others.";
  const where = tenant === null ? "" : " in the organization";
  const older = orHolding === null ? "" : ` or, in this version, \`${orHolding}\``;
  return `Needs the permission \`${access}\`${older}${where}.`;
}

/** Returns the name of a call in names of components: `OrganizationsCreate`. */
function callName(resource: string, name: string): string {
  const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
  return `${capital(resource)}${capital(name)}`;
}

function bodyOf(id: string, body: z.ZodType, component: string, schemas: Schemas): JsonObject {
  const example = requestExample(id, schemaOf(body, "input", schemas), schemas);
  schemas.set(component, {
    description: `The body of \`${id}\``,
    ...schemaOf(body, "input", schemas),
    examples: [example],
  });
  return {
    required: !body.safeParse(undefined).success,
    content: { "application/json": { schema: { $ref: `${place}${component}` }, example } },
  };
}

interface Context {
  schemas: Schemas;
  /** Paths of the GETs of single items. */
  items: ReadonlySet<string>;
  errors: SharedErrors;
  serverUrl: string;
}

function operationOf(
  resource: string,
  name: string,
  endpoint: Endpoint,
  context: Context,
): JsonObject {
  const { schemas, items, errors, serverUrl } = context;
  const { access, body, params, query, secrets, summary } = endpoint;
  const id = `${resource}.${name}`;
  return {
    operationId: id,
    tags: [resource],
    summary,
    description: accessText(endpoint),
    "x-access": access,
    security: access === "public" ? [] : [{ bearer: [] }, { session: [] }],
    parameters: [
      ...parametersOf(params, "path", schemas),
      ...parametersOf(query, "query", schemas),
      ...headerParameters(endpoint, items),
    ],
    ...(body && { requestBody: bodyOf(id, body, `${callName(resource, name)}Body`, schemas) }),
    ...(secrets.length > 0 && { "x-secrets": secrets }),
    responses: {
      ...successResponsesOf(endpoint, schemas),
      ...errorResponsesOf(endpoint, errors, serverUrl),
    },
  };
}

/** Builds the OpenAPI 3.1 document of the whole API from its endpoints. */
export function openApiDocument(serverUrl: string): JsonObject {
  const problem = { ...problemSchema, examples: [problemExample("slug_taken", serverUrl)] };
  const schemas: Schemas = new Map([["Problem", problem]]);
  for (const schema of components) schemaOf(schema, "output", schemas);
  const resources = Object.entries(api) as [keyof typeof api, Record<string, Endpoint>][];
  const calls = resources.flatMap(([resource, endpoints]) =>
    Object.entries(endpoints).map(([name, call]) => [callName(resource, name), call] as const),
  );
  const items = itemPaths(calls.map(([, call]) => call));
  const errors = sharedErrors(calls, serverUrl);
  const paths: Record<string, JsonObject> = {};
  for (const [resource, endpoints] of resources) {
    for (const [name, endpoint] of Object.entries(endpoints)) {
      const path = (paths[endpoint.path] ??= {});
      const context = { schemas, items, errors, serverUrl };
      path[endpoint.method.toLowerCase()] = operationOf(resource, name, endpoint, context);
    }
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Omoi",
      version: "1",
      summary: "Control plane for teams of coding agents",
      description:
        "Organizations, agents, isolated git workspaces and API keys. Rules that every call follows, such as pagination, conditional and idempotent requests, are in the documentation of the installation under `/docs/reference/api-conventions.md`.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: serverUrl, description: "This installation" }],
    tags: resources.map(([name]) => ({
      name,
      "x-displayName": tags[name].title,
      description: tags[name].description,
    })),
    paths,
    components: {
      schemas: Object.fromEntries(
        [...schemas]
          .toSorted(([left], [right]) => (left < right ? -1 : 1))
          .map(([name, schema]) => [
            name,
            "examples" in schema
              ? schema
              : { ...schema, examples: [exampleOf(schema, schemas, name)] },
          ]),
      ),
      responses: errors.responses,
      headers: headerComponents,
      parameters: parameterComponents,
      securitySchemes: {
        bearer: {
          type: "http",
          scheme: "bearer",
          description: "An access token, an API key, or the token of a run",
        },
        session: {
          type: "apiKey",
          in: "cookie",
          name: "omoi_session",
          description: "The session of the web app; changes must come from its own pages",
        },
      },
    },
  };
}
