import { describe, expect, test } from "vitest";
import { z } from "zod";
import { api } from "#shared/api/index.js";
import { components as named } from "#shared/contract/components.js";
import type { Endpoint } from "#shared/contract/endpoint.js";
import { openApiDocument } from "#shared/contract/openapi.js";

interface Schema {
  description?: string;
  properties?: Record<string, Schema>;
  items?: Schema;
  additionalProperties?: boolean | Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  examples?: unknown[];
}
interface Reply {
  $ref?: string;
  description: string;
  headers?: object;
  content?: Record<string, { schema?: Schema; example?: unknown }>;
}
interface Operation {
  operationId: string;
  summary: string;
  tags: string[];
  parameters: { $ref?: string; name?: string; description?: string }[];
  requestBody?: { content: Record<string, { example: unknown }> };
  responses: Record<string, Reply>;
}
interface Document {
  paths: Record<string, Record<string, Operation>>;
  tags: { name: string; description: string }[];
  components: {
    schemas: Record<string, Schema>;
    responses: Record<string, Reply>;
    headers: Record<string, { description: string }>;
    parameters: Record<string, { description: string }>;
  };
}

// Redocly's rules are tried in openapi.thorough.test.ts.
describe("the OpenAPI document", () => {
  const document = openApiDocument("https://omoi.example.com") as unknown as Document;
  const { components } = document;
  const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
  const operation = (path: string, method: string): Operation => {
    const found = document.paths[path]?.[method];
    if (found === undefined) throw new Error(`${method} ${path} is not in the document`);
    return found;
  };
  const responseOf = (path: string, method: string, status: number): Partial<Reply> => {
    const response = operation(path, method).responses[status];
    const name = response?.$ref?.split("/").at(-1);
    return (name === undefined ? response : components.responses[name]) ?? {};
  };

  test("has no dangling references", () => {
    const references = JSON.stringify(document).match(/"\$ref":"[^"]*"/g) ?? [];
    const missing = references.filter((reference) => {
      const [, kind = "", name = ""] = /#\/components\/(\w+)\/(\w+)"$/.exec(reference) ?? [];
      return components[kind as keyof typeof components]?.[name] === undefined;
    });
    expect(missing).toEqual([]);
  });

  test("names the media types and the secrets of answers", () => {
    const { paths } = document as unknown as {
      paths: Record<
        string,
        Record<string, { responses: Record<string, { content: object }>; "x-secrets"?: string[] }>
      >;
    };
    const mediaOf = (path: string): string[] =>
      Object.keys(paths[path]?.["get"]?.responses["200"]?.content ?? {});
    expect(mediaOf("/api/v1/organizations/{org_id}/usage")).toEqual([
      "application/json",
      "text/csv",
    ]);
    expect(mediaOf("/api/v1/runs/{run_id}/logs")).toEqual(["text/plain", "text/event-stream"]);
    for (const { operationId, responses } of operations) {
      const stream = Object.values(responses)[0]?.content?.["text/event-stream"]?.schema;
      const [, event = ""] = /the schema `(\w+)`$/.exec(stream?.description ?? "") ?? [];
      if (stream) expect([operationId, event in components.schemas]).toEqual([operationId, true]);
    }
    expect(paths["/api/v1/auth/api-keys"]?.["post"]?.["x-secrets"]).toEqual(["key"]);
    expect(paths["/api/v1/auth/api-keys"]?.["get"]).not.toHaveProperty("x-secrets");
  });

  test("names the codes of each error status", () => {
    const codesOf = (status: number): unknown =>
      responseOf("/api/v1/agents/{agent_id}/workspace/merges", "post", status).content?.[
        "application/problem+json"
      ]?.schema?.allOf?.[1]?.properties;
    const description = "The codes of this status";
    const codes = (...names: string[]) => ({ code: { enum: names, description } });
    expect(codesOf(412)).toEqual(codes("stale"));
    expect(codesOf(410)).toEqual(codes("workspace_expired"));
    expect(codesOf(401)).toEqual(codes("invalid_token", "unauthenticated"));
    const { responses } = operation("/api/v1/agents/{agent_id}", "patch");
    expect(responses).not.toHaveProperty("default");
    const stale = responseOf("/api/v1/organizations/{org_id}", "patch", 412);
    expect(stale.description).toBe("The resource has changed");
    for (const { operationId, responses: all } of operations) {
      for (const status of Object.keys(all)) expect(status).toMatch(/^[2-5]\d\d$/);
      expect([operationId, Object.keys(all)]).toEqual([
        operationId,
        expect.arrayContaining(["400", "408", "431", "500"]),
      ]);
    }
  });

  test("names headers of requests and responses", () => {
    const parameters = (path: string, method: string): unknown[] =>
      operation(path, method)
        .parameters.map(({ $ref }) => $ref?.split("/").at(-1))
        .filter(Boolean);
    const headersOf = (path: string, method: string, status: number): string[] =>
      Object.keys(responseOf(path, method, status).headers ?? {});
    const organizations = "/api/v1/organizations";
    expect(parameters(organizations, "get")).toEqual(["IfNoneMatch"]);
    expect(parameters(organizations, "post")).toEqual(["IdempotencyKey"]);
    expect(parameters(`${organizations}/{org_id}`, "patch")).toEqual(["IfMatch"]);
    expect(parameters(`${organizations}/{org_id}/events`, "get")).toEqual(["LastEventID"]);
    expect(headersOf(organizations, "get", 200)).toEqual([
      "ETag",
      "Link",
      "RateLimit",
      "RateLimit-Policy",
      "X-Request-Id",
    ]);
    expect(headersOf(organizations, "post", 201)).toContain("Location");
    expect(headersOf(organizations, "get", 429)).toContain("Retry-After");
    expect(headersOf(organizations, "get", 401)).toContain("WWW-Authenticate");
    expect(headersOf(organizations, "get", 304)).toContain("ETag");
  });

  test("describes each schema, property, parameter, header and tag in words of its own", () => {
    const missing: string[] = [];
    const check = (description: string | undefined, name: string, where: string): void => {
      const words = (description ?? "").toLowerCase();
      const plain = words.replaceAll(/[^a-z]/g, "");
      if (words.length < 4 || plain === name.toLowerCase().replaceAll(/[^a-z]/g, "")) {
        missing.push(where);
      }
    };
    const walk = (schema: Schema, where: string): void => {
      for (const [name, property] of Object.entries(schema.properties ?? {})) {
        check(property.description, name, `${where}.${name}`);
        walk(property, `${where}.${name}`);
      }
      const { items, additionalProperties, anyOf = [], oneOf = [], allOf = [] } = schema;
      for (const part of [...anyOf, ...oneOf, ...allOf]) walk(part, where);
      if (items) walk(items, `${where}[]`);
      if (typeof additionalProperties === "object") walk(additionalProperties, `${where}{}`);
    };
    for (const [name, schema] of Object.entries(components.schemas)) {
      check(schema.description, name, name);
      walk(schema, name);
    }
    for (const [name, { description }] of [
      ...Object.entries(components.headers),
      ...Object.entries(components.parameters),
    ]) {
      check(description, name, name);
    }
    for (const { operationId, tags, parameters, summary } of operations) {
      check(summary, operationId, operationId);
      expect(tags.every((tag) => document.tags.some(({ name }) => name === tag))).toBe(true);
      for (const { $ref, name = "", description } of parameters) {
        if ($ref === undefined) check(description, name, `${operationId} ${name}`);
      }
    }
    for (const { name, description } of document.tags) check(description, name, `tag ${name}`);
    expect(missing).toEqual([]);
  });

  test("describes each property, wherever its schema stands", () => {
    const missing: string[] = [];
    const walk = (node: unknown, where: string): void => {
      if (typeof node !== "object" || node === null) return;
      for (const [key, value] of Object.entries(node)) {
        // Examples are values, whose members may have any name.
        if (key === "example" || key === "examples") continue;
        walk(value, `${where}/${key}`);
        // A property may have the name "properties".
        if (key !== "properties" || where.endsWith("/properties")) continue;
        for (const [name, property] of Object.entries(value as Record<string, Schema>)) {
          if (!property.description) missing.push(`${where}: ${name}`);
        }
      }
    };
    walk(document, "");
    expect(missing).toEqual([]);
  });

  test("has an example of each schema and each body, which the API accepts", () => {
    const wrong: string[] = [];
    const check = (schema: z.ZodType, example: unknown, name: string): void => {
      const { success, error } = schema.safeParse(example);
      if (example === undefined || !success) wrong.push(`${name}: ${error?.message}`);
    };
    for (const schema of named) {
      const { id = "" } = z.globalRegistry.get(schema) ?? {};
      check(schema, components.schemas[id]?.examples?.[0], id);
    }
    for (const [name, { examples }] of Object.entries(components.schemas)) {
      expect([name, examples?.length]).toEqual([name, 1]);
    }
    for (const endpoint of Object.values(api).flatMap((resource) =>
      Object.values(resource as Record<string, Endpoint>),
    )) {
      const { requestBody, operationId } = operation(endpoint.path, endpoint.method.toLowerCase());
      const example = requestBody?.content["application/json"]?.example;
      if (endpoint.body) check(endpoint.body, example, operationId);
    }
    expect(wrong).toEqual([]);
  });

  test("names the schema of every response", () => {
    const unnamed = operations.filter(({ responses }) => {
      const text = JSON.stringify(responses);
      return (
        text.includes('"application/json"') &&
        !/"schema":\{("type":"array","items":\{)?"\$ref"/.test(text)
      );
    });
    expect(unnamed.map(({ operationId }) => operationId)).toEqual([]);
  });
});
