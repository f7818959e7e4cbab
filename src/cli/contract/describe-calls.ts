/** Describes the calls of the API for the command line, which then needs neither zod nor the schemas. */
import { z } from "zod";
import type { Endpoint } from "#shared/contract/endpoint.js";

/** A value of a request: `json` for objects and unions. */
export type FieldType = "string" | "number" | "boolean" | "json";

export interface CallField {
  name: string;
  type: FieldType;
  /** Whether it is a list of such values. */
  isList: boolean;
  isRequired: boolean;
  isNullable: boolean;
  /** The only values, if they are few. */
  values?: string[];
  description: string;
}

export interface DescribedCall {
  method: Endpoint["method"];
  path: Endpoint["path"];
  summary: string;
  params: CallField[];
  query: CallField[];
  /** Null without a body; empty for a body that is a union: it is given as JSON. */
  body: CallField[] | null;
  /** Whether the response is a list in pages. */
  isList: boolean;
  /** The fields of the response, or of each item of a list, in order. */
  fields: string[];
  /** Media types other than JSON. */
  media: readonly string[];
}

/** The described calls, by resource and name. */
export type DescribedCalls = Record<string, Record<string, DescribedCall>>;

export function describeCalls(api: Record<string, Record<string, Endpoint>>): DescribedCalls {
  return mapped(api, (calls) => mapped(calls, describe));
}

function describe({
  method,
  path,
  summary,
  params,
  query,
  body,
  response,
  media,
}: Endpoint): DescribedCall {
  return {
    method,
    path,
    summary,
    params: fieldsOf(params),
    query: fieldsOf(query),
    body: body && fieldsOf(body),
    isList: response instanceof z.ZodArray,
    fields: namesOf(response),
    media,
  };
}

interface Json {
  type?: string | string[];
  properties?: Record<string, Json>;
  required?: string[];
  anyOf?: Json[];
  items?: Json;
  enum?: unknown[];
  const?: unknown;
  description?: string;
}

const jsonOf = (schema: z.ZodType): Json =>
  z.toJSONSchema(schema, { io: "input", unrepresentable: "any", reused: "inline" }) as Json;

function fieldsOf(schema: z.ZodType | null): CallField[] {
  if (!schema) return [];
  const whole = jsonOf(schema);
  const { properties = {}, required = [] } = whole.properties
    ? whole
    : (whole.anyOf?.find((one) => one.properties && whole.anyOf?.length === 1) ?? {});
  return Object.entries(properties).map(([name, field]) => ({
    name,
    ...typeOf(field),
    isRequired: required.includes(name),
    description: field.description ?? "",
  }));
}

type Typed = Pick<CallField, "type" | "isList" | "isNullable" | "values">;

function typeOf(json: Json): Typed {
  const kinds = json.anyOf ?? [json];
  const values = kinds.filter(({ type }) => type !== "null");
  const isNullable = values.length < kinds.length;
  const [first] = values;
  const isMixed = new Set(values.map(({ type }) => type)).size !== 1;
  if (first === undefined || isMixed) return { type: "json", isList: false, isNullable };
  if (first.type === "array" && values.length === 1) {
    const item = typeOf(first.items ?? {});
    const isPlain = item.type !== "json" && !item.isList;
    return isPlain
      ? { ...item, isList: true, isNullable }
      : { type: "json", isList: false, isNullable };
  }
  const named = values.flatMap((one) => one.enum ?? (one.const === undefined ? [] : [one.const]));
  const type =
    first.type === "string"
      ? "string"
      : first.type === "integer" || first.type === "number"
        ? "number"
        : first.type === "boolean"
          ? "boolean"
          : "json";
  return {
    type,
    isList: false,
    isNullable,
    ...(named.length > 0 && type === "string" ? { values: named.map(String) } : {}),
  };
}

function namesOf(response: z.ZodType | null): string[] {
  const item = response instanceof z.ZodArray ? (response.element as z.ZodType) : response;
  if (item instanceof z.ZodUnion) {
    const parts = item.options.flatMap((option) => namesOf(option as z.ZodType));
    return [...new Set(parts)];
  }
  return item instanceof z.ZodObject ? Object.keys(item.shape) : [];
}

function mapped<From, To>(from: Record<string, From>, to: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(from).map(([name, value]) => [name, to(value)]));
}
