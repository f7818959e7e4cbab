import { resolveSchema, schemaName, type OpenApi, type Schema } from "./document.js";
import { escape, prose } from "./html.js";

/** Fields within fields that are shown in place; deeper ones are behind the link to their schema. */
const maxDepth = 3;

/** Returns the fields of a schema as a list, with those of nested objects. */
export function fieldsView(schema: Schema, document: OpenApi, depth = 0): string {
  const { object, variants } = shapeOf(schema, document);
  if (variants.length > 1) {
    const parts = variants.map(
      (variant, index) =>
        `<li><p class="variant">${variantTitle(variant, index)}</p>${fieldsView(variant, document, depth)}</li>`,
    );
    return `<ol class="variants">${parts.join("")}</ol>`;
  }
  const { properties = {}, required = [] } = object;
  if (Object.keys(properties).length === 0) return "";
  const rows = Object.entries(properties).map(([name, property]) => {
    const inner = depth + 1 < maxDepth ? fieldsView(property, document, depth + 1) : "";
    return `<div class="field"><dt><code>${escape(name)}</code> <span class="type">${typeOf(property)}</span>${
      required.includes(name) ? "" : ' <span class="optional">optional</span>'
    }</dt><dd>${prose(property.description ?? "")}${inner}</dd></div>`;
  });
  return `<dl class="fields">${rows.join("")}</dl>`;
}

/** Returns the object inside of a schema, through arrays and null, or the variants of a union. */
function shapeOf(schema: Schema, document: OpenApi): { object: Schema; variants: Schema[] } {
  const resolved = resolveSchema(schema, document);
  if (resolved.items) return shapeOf(resolved.items, document);
  const parts = (resolved.anyOf ?? resolved.oneOf ?? []).filter(({ type }) => type !== "null");
  const objects = parts.filter(
    (part) => resolveSchema(part, document).properties !== undefined || part.items,
  );
  if (objects.length === 1) return shapeOf(objects[0] as Schema, document);
  return { object: resolved, variants: objects };
}

/** Names a variant by its schema or by its constant field. */
function variantTitle(variant: Schema, index: number): string {
  const name = schemaName(variant);
  if (name !== undefined) return schemaLink(name);
  const found = Object.entries(variant.properties ?? {}).find(([, { const: only }]) => only);
  return found
    ? `<code>${escape(found[0])}: ${escape(JSON.stringify(found[1].const))}</code>`
    : `Variant ${index + 1}`;
}

export function schemaLink(name: string): string {
  return `<a href="/api/docs/schemas#${name}">${name}</a>`;
}

/** Returns the type of a value with its limits, in words. */
export function typeOf(schema: Schema): string {
  const name = schemaName(schema);
  if (name !== undefined) return schemaLink(name);
  if ("const" in schema) return `<code>${escape(JSON.stringify(schema.const))}</code>`;
  if (schema.enum) {
    return schema.enum.map((value) => `<code>${escape(JSON.stringify(value))}</code>`).join(", ");
  }
  const parts = schema.anyOf ?? schema.oneOf;
  if (parts) {
    const texts = [...new Set(parts.map(typeOf))];
    return texts.length > 4 ? "one of several objects" : texts.join(" or ");
  }
  const types = [schema.type ?? "any JSON"].flat();
  return types.map((type) => typeText(type, schema)).join(" or ");
}

function typeText(type: string, schema: Schema): string {
  const { format, items, additionalProperties: values } = schema;
  switch (type) {
    case "array":
      return `list of ${items ? typeOf(items) : "values"}`;
    case "object":
      return typeof values === "object" && values.type !== undefined
        ? `object of ${typeOf(values)}`
        : "object";
    case "string":
      return format === undefined
        ? `string${range(schema.minLength, schema.maxLength, " characters")}`
        : `string (${format})`;
    case "integer":
    case "number":
      return `${type}${range(schema.minimum, schema.maximum, "")}`;
    default:
      return escape(type);
  }
}

function range(min: number | undefined, max: number | undefined, unit: string): string {
  if (max === undefined) return min === undefined || min === 0 ? "" : `, at least ${min}${unit}`;
  return min === undefined ? `, at most ${max}${unit}` : `, ${min}–${max}${unit}`;
}
