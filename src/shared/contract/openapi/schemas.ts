import { z } from "zod";

export type JsonObject = Record<string, unknown>;
/** The named schemas found so far. */
export type Schemas = Map<string, JsonObject>;

/** The location of named schemas in the document. */
export const place = "#/components/schemas/";

/** Formats whose pattern says nothing to a reader and is long. */
const clearFormats = new Set(["date-time", "uuid", "date", "email", "ipv4", "ipv6"]);

/** Drops rules that only restate a format or the safe integers of JavaScript. */
function simplify({ jsonSchema }: { jsonSchema: JsonObject }): void {
  if (clearFormats.has(String(jsonSchema["format"]))) delete jsonSchema["pattern"];
  if (jsonSchema["maximum"] === Number.MAX_SAFE_INTEGER) delete jsonSchema["maximum"];
  if (jsonSchema["minimum"] === Number.MIN_SAFE_INTEGER) delete jsonSchema["minimum"];
  // Names of properties are always text.
  const names = jsonSchema["propertyNames"];
  if (JSON.stringify(names) === '{"type":"string"}') delete jsonSchema["propertyNames"];
}

/**
 * Converts a schema to JSON Schema (draft 2020-12, as in OpenAPI 3.1). Named schemas are added to
 * `schemas` and referenced.
 * @throws if a named schema differs between requests and responses
 */
export function schemaOf(schema: z.ZodType, io: "input" | "output", schemas: Schemas): JsonObject {
  const json = z.toJSONSchema(z.tuple([schema]), {
    io,
    unrepresentable: "any",
    override: simplify,
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
