/** The tools as the Model Context Protocol describes them, from the declarations of their calls. */
import { z } from "zod";
import { api } from "#shared/api/index.js";
import type { CallName } from "#shared/contract/client.js";
import type { Endpoint } from "#shared/contract/endpoint.js";
import { tools, type Tool } from "./tools.js";

type Json = string | number | boolean | null | Json[] | { [name: string]: Json };
type JsonObject = { [name: string]: Json };

export interface DescribedTool {
  call: Endpoint;
  tool: Tool;
  /** Whether its response is a list in pages, which the output wraps as `items`. */
  isList: boolean;
  /** Whether its response is text. */
  isText: boolean;
  definition: {
    name: string;
    title: string;
    description: string;
    inputSchema: ObjectSchema;
    outputSchema: ObjectSchema;
    annotations: {
      title: string;
      readOnlyHint: boolean;
      destructiveHint: boolean;
      idempotentHint: boolean;
      openWorldHint: boolean;
    };
  };
}

interface ObjectSchema extends JsonObject {
  type: "object";
  properties: JsonObject;
  required: string[];
}

const resources = api as unknown as Record<string, Record<string, Endpoint>>;

export const describedTools: readonly DescribedTool[] = Object.entries(tools).flatMap(
  ([name, tool]) => ("name" in tool ? [describe(name as CallName, tool)] : []),
);

function describe(callName: CallName, tool: Tool): DescribedTool {
  const [resource = "", name = ""] = callName.split(".");
  const call = resources[resource]?.[name] as Endpoint;
  const isList = call.response instanceof z.ZodArray;
  const isText = call.response === null && call.media.includes("text/plain");
  const isRead = call.method === "GET" || call.safe;
  return {
    call,
    tool,
    isList,
    isText,
    definition: {
      name: tool.name,
      title: tool.title,
      description: tool.description ?? `${call.summary}.`,
      inputSchema: inputOf(call, tool, isList),
      outputSchema: outputOf(call, isList, isText),
      annotations: {
        title: tool.title,
        readOnlyHint: isRead,
        destructiveHint: tool.destroys ?? false,
        idempotentHint: tool.repeats ?? (isRead || ["PUT", "DELETE"].includes(call.method)),
        openWorldHint: tool.starts ?? false,
      },
    },
  };
}

function jsonOf(schema: z.ZodType, io: "input" | "output"): JsonObject {
  const { $defs = {}, ...json } = z.toJSONSchema(schema, {
    io,
    unrepresentable: "any",
    reused: "inline",
  }) as JsonObject;
  return inlined(json, $defs as Record<string, Json>, []) as JsonObject;
}

/** Puts named schemas in the place of their references, which not all clients resolve. */
function inlined(json: Json, named: Record<string, Json>, within: readonly string[]): Json {
  if (Array.isArray(json)) return json.map((item) => inlined(item, named, within));
  if (typeof json !== "object" || json === null) return json;
  const { $ref, $schema: _schema, ...rest } = json;
  if (typeof $ref === "string") {
    const name = $ref.split("/").at(-1) ?? "";
    // A schema that contains itself allows anything there.
    return within.includes(name) ? {} : inlined(named[name] ?? {}, named, [...within, name]);
  }
  // Its own name; a property called `id` has a schema.
  if (typeof rest["id"] === "string") delete rest["id"];
  return Object.fromEntries(
    Object.entries(rest).map(([key, value]) => [key, inlined(value, named, within)]),
  );
}

/** A schema without what only people read: lists of tools are part of each conversation with a model. */
function withoutTexts(json: Json, isSchema = true): Json {
  if (Array.isArray(json)) return json.map((item) => withoutTexts(item));
  if (typeof json !== "object" || json === null) return json;
  return Object.fromEntries(
    Object.entries(json).flatMap(([key, value]) =>
      // The keys of `properties` are fields, which may have any name.
      isSchema && ["description", "examples", "example"].includes(key)
        ? []
        : [[key, withoutTexts(value, key !== "properties")]],
    ),
  );
}

function inputOf(call: Endpoint, tool: Tool, isList: boolean): ObjectSchema {
  const parts = [call.params, call.query, call.body].flatMap((part) =>
    part === null ? [] : [objectIn(jsonOf(part, "input"))],
  );
  const properties = Object.assign({}, ...parts.map((part) => part.properties)) as JsonObject;
  for (const field of tool.without ?? []) delete properties[field];
  const required = parts
    .flatMap((part) => part.required)
    .filter((field) => field in properties && !(field in (tool.defaults ?? {})));
  if (isList) properties["limit"] = { ...(properties["limit"] as JsonObject), default: 50 };
  return { type: "object", properties, required, additionalProperties: false };
}

/** The object in a schema that may also be absent. */
function objectIn(schema: JsonObject): { properties: JsonObject; required: string[] } {
  const { properties, required = [] } = schema as { properties?: JsonObject; required?: string[] };
  return { properties: properties ?? {}, required };
}

function outputOf(
  { response, accepted }: Endpoint,
  isList: boolean,
  isText: boolean,
): ObjectSchema {
  if (isText) {
    return {
      type: "object",
      properties: { text: { type: "string" } },
      required: ["text"],
    };
  }
  if (response === null) return { type: "object", properties: {}, required: [] };
  const json = withoutTexts(jsonOf(response, "output")) as JsonObject;
  if (isList) {
    return {
      type: "object",
      properties: {
        items: json,
        next_cursor: {
          type: "string",
          description: "Where the next page begins; absent on the last",
        },
      },
      required: ["items"],
    };
  }
  if (accepted !== null) {
    return {
      type: "object",
      properties: {},
      required: [],
      anyOf: [json, withoutTexts(jsonOf(accepted, "output"))],
    };
  }
  return { type: "object", ...objectIn(json) };
}
