import { exampleFields, exampleValues } from "./example-values.js";
import { place as componentsAt, type JsonObject, type Schemas } from "./schemas.js";

interface Place {
  schemas: Schemas;
  /** The named schema or the call. */
  owner: string;
  /** The names of the fields down to this one; empty for the schema itself. */
  path: readonly string[];
}

/** Returns an example that a schema accepts: from `exampleValues`, else from the schema itself. */
export function exampleOf(schema: JsonObject, schemas: Schemas, owner: string): unknown {
  return valueOf(schema, { schemas, owner, path: [] });
}

/** Returns an example of a call's body: its required fields and those of `exampleFields`. */
export function requestExample(id: string, schema: JsonObject, schemas: Schemas): unknown {
  const place: Place = { schemas, owner: id, path: [] };
  const { required = [], properties } = schema as { required?: string[]; properties?: object };
  if (properties === undefined) return valueOf(schema, place);
  const wanted = new Set([...required, ...(exampleFields[id] ?? [])]);
  return objectOf(schema, place, (name) => wanted.has(name));
}

function valueOf(schema: JsonObject, place: Place): unknown {
  // Beside the field, as `.meta({ example })`.
  if ("example" in schema) return schema["example"];
  const { owner, path } = place;
  const field = path.at(-1) ?? owner;
  for (const key of [`${owner}.${path.join(".")}`, `${owner}.${field}`, field]) {
    if (key in exampleValues && accepts(schema, exampleValues[key])) return exampleValues[key];
  }
  return derivedFrom(schema, place);
}

function derivedFrom(schema: JsonObject, place: Place): unknown {
  const { schemas } = place;
  if (typeof schema["$ref"] === "string") {
    const name = schema["$ref"].slice(componentsAt.length);
    return derivedFrom(schemas.get(name) ?? {}, { schemas, owner: name, path: [] });
  }
  if ("const" in schema) return schema["const"];
  if ("default" in schema) return schema["default"];
  if (Array.isArray(schema["enum"])) return schema["enum"][0];
  const parts = (schema["anyOf"] ?? schema["oneOf"]) as JsonObject[] | undefined;
  if (parts) {
    return valueOf(parts.find(({ type }) => type !== "null") ?? {}, place);
  }
  if (Array.isArray(schema["allOf"])) {
    const merged = schema["allOf"].map((part) => derivedFrom(part as JsonObject, place));
    return Object.assign({}, ...merged) as unknown;
  }
  switch ([schema["type"]].flat()[0]) {
    case "object":
      return objectOf(schema, place, () => true);
    case "array":
      return [itemOf(schema["items"] as JsonObject, place)];
    case "boolean":
      return true;
    case "integer":
    case "number":
      return Math.max(1, Number(schema["minimum"] ?? 0));
    case "string":
      return textOf(schema, place);
    default:
      return null;
  }
}

function objectOf(schema: JsonObject, place: Place, isWanted: (name: string) => boolean): unknown {
  const properties = (schema["properties"] ?? {}) as Record<string, JsonObject>;
  return Object.fromEntries(
    Object.entries(properties)
      .filter(([name]) => isWanted(name))
      .map(([name, property]) => {
        const inner = { ...place, path: [...place.path, name] };
        return [name, valueOf(property, inner)] as const;
      })
      .filter(([, value]) => value !== undefined),
  );
}

/** An entry of the list `paths` has the value of `path`. */
function itemOf(schema: JsonObject, place: Place): unknown {
  if (schema["type"] === "object" || "anyOf" in schema || "$ref" in schema) {
    return derivedFrom(schema, place);
  }
  const name = (place.path.at(-1) ?? "").replace(/s$/, "");
  return valueOf(schema, { ...place, path: [...place.path.slice(0, -1), name] });
}

function textOf(schema: JsonObject, { owner, path }: Place): string {
  const field = path.at(-1) ?? owner;
  switch (schema["format"]) {
    case "uuid":
      return idOf(field === "id" ? owner : field.replace(/_id$/, ""));
    case "date-time":
      return "2026-11-26T09:30:00.000Z";
    case "date":
      return "2026-11-26";
    case "email":
      return "ann@example.com";
    case undefined:
    default:
  }
  return field === "id" ? "1" : "text";
}

/** Returns an id (UUIDv7) that is the same for the same kind of resource: `Project` and `project_id`. */
function idOf(kind: string): string {
  const name = kind.replaceAll("_", "").toLowerCase();
  let hash = 2_166_136_261;
  for (const letter of name) hash = Math.imul(hash ^ letter.charCodeAt(0), 16_777_619) >>> 0;
  const digits = hash.toString(16).padStart(8, "0");
  return `01995b3e-1f40-7${digits.slice(0, 3)}-8${digits.slice(3, 6)}-5d3c9a7b${digits.slice(4, 8)}`;
}

/** Whether a listed value has the type of the schema, since fields of one name may differ. */
function accepts(schema: JsonObject, value: unknown): boolean {
  if (value === undefined) return true;
  const parts = (schema["anyOf"] ?? schema["oneOf"]) as JsonObject[] | undefined;
  if (parts) return parts.some((part) => accepts(part, value));
  if ("const" in schema) return schema["const"] === value;
  if (Array.isArray(schema["enum"])) return schema["enum"].includes(value);
  if ("$ref" in schema) return false;
  if (schema["type"] === undefined) return true;
  const types = new Set([schema["type"]].flat());
  if (value === null) return types.has("null");
  if (Array.isArray(value)) {
    return (
      types.has("array") &&
      value.every((example) => accepts(schema["items"] as JsonObject, example))
    );
  }
  if (typeof value === "object") {
    const known = schema["properties"] as Record<string, JsonObject> | undefined;
    if (!types.has("object")) return false;
    return known === undefined || Object.keys(value).every((name) => name in known);
  }
  if (typeof value === "number") {
    const fits =
      value >= Number(schema["minimum"] ?? -Infinity) &&
      value <= Number(schema["maximum"] ?? Infinity);
    return fits && (types.has("number") || (types.has("integer") && value % 1 === 0));
  }
  if (typeof value !== "string") return types.has(typeof value);
  const { pattern, format } = schema as { pattern?: string; format?: string };
  if (format === "date-time") return value.includes("T");
  if (format === "date") return /^\d{4}-\d\d-\d\d$/.test(value);
  if (format === "uuid") return /^[\da-f]{8}-/.test(value);
  return types.has("string") && (pattern === undefined || new RegExp(pattern).test(value));
}
