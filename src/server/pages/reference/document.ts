/** The parts of the OpenAPI document that the reference shows. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  additionalProperties?: boolean | Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  examples?: unknown[];
}

export interface Parameter {
  $ref?: string;
  name: string;
  in: "path" | "query" | "header";
  required: boolean;
  description: string;
  schema: Schema;
  example?: string | number | boolean;
}

interface Media {
  schema: Schema;
  example?: unknown;
}

export interface Reply {
  $ref?: string;
  description: string;
  headers?: Record<string, { $ref: string }>;
  content?: Record<string, Media>;
}

export interface Operation {
  operationId: string;
  tags: [string];
  summary: string;
  description: string;
  security: object[];
  parameters: Parameter[];
  requestBody?: { required: boolean; content: Record<string, Media> };
  responses: Record<string, Reply>;
}

export interface Tag {
  name: string;
  "x-displayName": string;
  description: string;
}

export interface OpenApi {
  servers: [{ url: string }];
  tags: Tag[];
  paths: Record<string, Record<string, Operation>>;
  components: {
    schemas: Record<string, Schema>;
    responses: Record<string, Reply>;
    headers: Record<string, { description: string }>;
    parameters: Record<string, Parameter>;
  };
}

/** A call with its method and path. */
export interface Call extends Operation {
  method: string;
  path: string;
}

/** Returns all calls in the order of the document. */
export function callsOf(document: OpenApi): Call[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      ...operation,
      method: method.toUpperCase(),
      path,
    })),
  );
}

const nameIn = (reference: string): string => reference.slice(reference.lastIndexOf("/") + 1);

/** Returns the name of a referenced schema; undefined for a schema in place. */
export function schemaName({ $ref }: Schema): string | undefined {
  return $ref === undefined ? undefined : nameIn($ref);
}

export function resolveSchema(schema: Schema, { components }: OpenApi): Schema {
  const name = schemaName(schema);
  return name === undefined ? schema : { ...components.schemas[name], ...schema };
}

export function resolveParameter(parameter: Parameter, { components }: OpenApi): Parameter {
  const { $ref } = parameter;
  return $ref === undefined ? parameter : (components.parameters[nameIn($ref)] as Parameter);
}

export function resolveReply(reply: Reply, { components }: OpenApi): Reply {
  return reply.$ref === undefined ? reply : (components.responses[nameIn(reply.$ref)] as Reply);
}

/** Returns the description of a referenced header. */
export function headerText({ $ref }: { $ref: string }, { components }: OpenApi): string {
  return components.headers[nameIn($ref)]?.description ?? "";
}

/** Returns the codes of an error response. */
export function codesOf(reply: Reply): string[] {
  const problem = reply.content?.["application/problem+json"];
  return (problem?.schema.allOf?.[1]?.properties?.["code"]?.enum ?? []) as string[];
}
