import fc from "fast-check";

/** The JSON Schema keywords used by the API's document. */
export interface JsonSchema {
  $ref?: string;
  type?: string | string[];
  const?: unknown;
  enum?: unknown[];
  format?: string;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  allOf?: JsonSchema[];
  items?: JsonSchema;
  prefixItems?: JsonSchema[];
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: JsonSchema | boolean;
  propertyNames?: JsonSchema;
  minimum?: number;
  maximum?: number;
}

/**
 * Texts known to break servers: limits of times, numbers, encodings, protocols, paths and shells.
 */
export const hostileTexts = [
  "",
  " ",
  "\u0000",
  "a\u0000b",
  "\ud800",
  "١٢٣٤٥٦",
  "１２３４５６",
  "0000-01-01T00:00:00Z",
  "0001-01-01T00:00:00+23:59",
  "9999-12-31T23:59:59-23:59",
  "2026-11-26T15:00:00+23:59",
  "2026-02-30T00:00:00Z",
  "+275760-09-13T00:00:00.000Z",
  "-000001-01-01T00:00:00.000Z",
  "0000-00",
  "9999-12",
  "0000-01",
  "NaN",
  "Infinity",
  "-1",
  "1e309",
  "9007199254740993",
  "0x10",
  "1,2",
  "__proto__",
  "constructor",
  "' or 1=1 --",
  "%00",
  "%",
  "../../etc/passwd",
  "..",
  "/",
  "//",
  "-x",
  "--upload-pack=x",
  "HEAD",
  "refs/heads/main",
  "main",
  "main.lock",
  "a b",
  "\r\nx: y",
  "𝒳".repeat(70),
  "x".repeat(256),
  "x".repeat(9000),
  "00000000-0000-0000-0000-000000000000",
  "ffffffff-ffff-ffff-ffff-ffffffffffff",
  "00000000-0000-7000-8000-000000000001",
  "file:///etc",
  "ssh://x@[::1",
  "https://user@127.0.0.1:1/x",
  "::ffff:1.2.3.4",
  "1.2.3.4/33",
  "*:*",
  "org:*",
  "null",
  "[]",
];

const hostileValues: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    0,
    -0,
    -1,
    0.5,
    2 ** 31,
    2 ** 53,
    1e308,
    [],
    {},
    [[]],
    { id: null },
    { "": "" },
    JSON.parse('{"a":[{"b":[{"c":null}]}]}'),
  ),
  fc.constantFrom<unknown>(...hostileTexts),
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.jsonValue({ maxDepth: 3 }),
);

/** Texts for a format, or without one. */
function texts(format: string | undefined): fc.Arbitrary<unknown> {
  switch (format) {
    case "uuid":
      return fc.uuid();
    case "email":
      return fc.emailAddress();
    case "date-time":
      return fc
        .date({ min: new Date("0001-01-01"), max: new Date("9999-12-31"), noInvalidDate: true })
        .map((time) => time.toISOString());
    default:
      return fc.oneof(
        fc.stringMatching(/^[a-z0-9-]{1,20}$/),
        fc.constantFrom<unknown>(...hostileTexts),
        fc.string({ unit: "grapheme", maxLength: 30 }),
      );
  }
}

/**
 * Values for a JSON schema: mostly valid, with some parts replaced by hostile ones.
 * @param resolve returns the schema of a `$ref`
 * @param known existing values, such as ids, by field name
 */
export function valuesOf(
  schema: JsonSchema,
  resolve: (ref: string) => JsonSchema,
  known: (name: string) => fc.Arbitrary<unknown> | undefined,
): fc.Arbitrary<unknown> {
  const proper = (schema: JsonSchema, name: string, depth: number): fc.Arbitrary<unknown> => {
    const inner = (next: JsonSchema, of: string): fc.Arbitrary<unknown> => {
      if (depth > 5) return fc.constant(null);
      const existing = known(of);
      return fc.oneof(
        { arbitrary: proper(next, of, depth + 1), weight: 5 },
        { arbitrary: hostileValues, weight: 1 },
        ...(existing ? [{ arbitrary: existing, weight: 8 }] : []),
      );
    };
    if (schema.$ref !== undefined) return proper(resolve(schema.$ref), name, depth + 1);
    if ("const" in schema) return fc.constant(schema.const);
    if (schema.enum) return fc.constantFrom(...schema.enum);
    const choices = schema.anyOf ?? schema.oneOf ?? schema.allOf;
    if (choices) return fc.oneof(...choices.map((choice) => proper(choice, name, depth)));
    switch (Array.isArray(schema.type) ? schema.type[0] : schema.type) {
      case "null":
        return fc.constant(null);
      case "boolean":
        return fc.boolean();
      case "integer":
        return fc.integer({
          min: schema.minimum ?? -10,
          max: Math.min(schema.maximum ?? 1000, 2 ** 31),
        });
      case "number":
        return fc.double({ min: schema.minimum ?? -10, max: schema.maximum ?? 1000, noNaN: true });
      case "array":
        return fc.array(inner(schema.items ?? {}, name), { maxLength: 4 });
      case "object": {
        const { properties = {}, required = [], additionalProperties } = schema;
        const fields = fc.record(
          Object.fromEntries(
            Object.entries(properties).map(([field, of]) => [field, inner(of, field)]),
          ),
          { requiredKeys: required },
        );
        if (typeof additionalProperties !== "object") return fields;
        const names = fc.oneof(
          fc.stringMatching(/^[A-Z_]{1,8}$/),
          fc.constantFrom(...hostileTexts),
        );
        return fc.dictionary(names, inner(additionalProperties, name), { maxKeys: 4 });
      }
      case "string":
        return texts(schema.format);
      default:
        return hostileValues;
    }
  };
  return fc.oneof(
    { arbitrary: proper(schema, "", 0), weight: 12 },
    { arbitrary: hostileValues, weight: 1 },
  );
}
