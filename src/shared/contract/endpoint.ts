import type { z } from "zod";
import type { ErrorCode } from "../errors.js";
import type { Permission } from "../permissions.js";

export type Method = "GET" | "POST" | "PATCH" | "PUT" | "DELETE";

/** The source of a call's organization: a path parameter or a body field. */
export type TenantSource =
  | "params.org_id"
  | "params.project_id"
  | "params.agent_id"
  | "params.run_id"
  | "params.merge_request_id"
  | "params.protection_change_id"
  | "params.session_id"
  | "params.task_id"
  | "params.thread_id"
  | "params.opinion_id"
  | "params.pull_request_id"
  | "body.organization_id"
  | "body.project_id";

/** Who may make a call. */
export type Audience = "public" | "signed-in" | "super-admin" | Permission;

/** Media types of answers other than JSON. */
export type MediaType =
  | "application/x-ndjson"
  | "text/csv"
  | "text/event-stream"
  | "text/plain"
  | "text/x-diff";

type Schema = z.ZodType;
type ObjectSchema = z.ZodObject;

/**
 * The single declaration of an endpoint, read by the server's validation, the typed client, the
 * OpenAPI document and the forms.
 *
 * - `access`: `public`, `signed-in`, `super-admin` (404 for all others), or a permission in the
 *   organization named by `tenant`. `orHolding` names an older permission that still suffices.
 * - `status`: of a successful response.
 * - `response`: the JSON body; null for no body (204) or other `media` only.
 * - `accepted`: the JSON body of a 202 response, to a request whose work is queued.
 * - `media`: further media types of the response.
 * - `secrets`: fields of the body that are shown once. A repeated request gets null for them, and no
 *   cache keeps the response.
 * - `location`: the path of what a 201 response has created. `{name}` is a parameter of the call or a field
 *   of the response.
 * - `errors`: the error codes of its own rules. `errorCodesOf` adds those that follow from the other
 *   parts. Tests fail on any other code.
 */
export interface Endpoint<
  Params extends ObjectSchema | null = ObjectSchema | null,
  Query extends ObjectSchema | null = ObjectSchema | null,
  Body extends Schema | null = Schema | null,
  Response extends Schema | null = Schema | null,
  Access extends Audience = Audience,
  Media extends MediaType = MediaType,
  Accepted extends Schema | null = Schema | null,
> {
  method: Method;
  path: `/${string}`;
  access: Access;
  /** A permission that is accepted in place of that of `access`. */
  orHolding: Permission | null;
  tenant: TenantSource | null;
  summary: string;
  /** Whether the call may change an archived organization; only restoring it may. */
  whenArchived: boolean;
  /** Whether the call works during maintenance, as those do that change nothing and those of super admins. */
  inMaintenance: boolean;
  /** Whether it revokes access: the response waits until every server process knows. */
  revokes: boolean;
  /** Whether it is safe in the sense of RFC 9110, section 9.2.1, like every GET. */
  safe: boolean;
  status: number;
  params: Params;
  query: Query;
  body: Body;
  response: Response;
  accepted: Accepted;
  location: `/${string}` | null;
  media: readonly Media[];
  secrets: readonly string[];
  errors: readonly ErrorCode[];
}

/** The names of an object's fields, of each part of a union. */
type FieldOf<Value> = Value extends unknown ? Extract<keyof Value, string> : never;

interface Definition<
  Params extends ObjectSchema | null,
  Query extends ObjectSchema | null,
  Body extends Schema | null,
  Response extends Schema | null,
  Access extends Audience,
  Media extends MediaType,
  Accepted extends Schema | null,
> {
  method: Method;
  path: `/${string}`;
  access: Access;
  orHolding?: Permission;
  summary: string;
  tenant?: TenantSource;
  whenArchived?: boolean;
  inMaintenance?: boolean;
  revokes?: boolean;
  safe?: boolean;
  status?: number;
  params?: Params;
  query?: Query;
  body?: Body;
  response?: Response;
  accepted?: Accepted;
  location?: `/${string}`;
  media?: readonly Media[];
  secrets?: readonly FieldOf<Response extends Schema ? z.output<Response> : never>[];
  errors?: readonly ErrorCode[];
}

/**
 * Declares an endpoint. The tenant defaults to the path; it is required if a permission is needed
 * and the path does not name an organization. Calls of super admins have none.
 */
export function endpoint<
  Params extends ObjectSchema | null = null,
  Query extends ObjectSchema | null = null,
  Body extends Schema | null = null,
  Response extends Schema | null = null,
  const Access extends Audience = Permission,
  const Media extends MediaType = never,
  Accepted extends Schema | null = null,
>(
  definition: Definition<Params, Query, Body, Response, Access, Media, Accepted>,
): Endpoint<Params, Query, Body, Response, Access, Media, Accepted> {
  const fromPath =
    /\{(org_id|project_id|agent_id|run_id|merge_request_id|protection_change_id|thread_id|opinion_id)\}/.exec(
      definition.path,
    )?.[1];
  return {
    method: definition.method,
    path: definition.path,
    access: definition.access,
    orHolding: definition.orHolding ?? null,
    tenant:
      definition.tenant ??
      (fromPath === undefined || definition.access === "super-admin"
        ? null
        : (`params.${fromPath}` as TenantSource)),
    summary: definition.summary,
    whenArchived: definition.whenArchived ?? definition.method === "GET",
    inMaintenance:
      definition.inMaintenance ??
      (definition.access === "super-admin" || (definition.safe ?? definition.method === "GET")),
    revokes: definition.revokes ?? false,
    safe: definition.safe ?? definition.method === "GET",
    status: definition.status ?? (definition.response ? 200 : 204),
    params: (definition.params ?? null) as Params,
    query: (definition.query ?? null) as Query,
    body: (definition.body ?? null) as Body,
    response: (definition.response ?? null) as Response,
    accepted: (definition.accepted ?? null) as Accepted,
    location: definition.location ?? null,
    media: definition.media ?? [],
    secrets: definition.secrets ?? [],
    errors: definition.errors ?? [],
  };
}

type Input<Part> = Part extends Schema ? z.input<Part> : undefined;
type Output<Part> = Part extends Schema ? z.output<Part> : undefined;

type Part = "params" | "query" | "body";
/** Whether a part is optional: an optional body, or a query without required fields. */
type MayOmit<Key extends Part, Value> = undefined extends Value
  ? true
  : Key extends "query"
    ? {} extends Value
      ? true
      : false
    : false;

/** A caller's input: only the parts that the endpoint has. */
export type RequestOf<E extends Endpoint> = {
  [
    Key in Part as E[Key] extends null
      ? never
      : MayOmit<Key, Input<E[Key]>> extends true
        ? never
        : Key
  ]: Input<E[Key]>;
} & {
  [
    Key in Part as E[Key] extends null
      ? never
      : MayOmit<Key, Input<E[Key]>> extends true
        ? Key
        : never
  ]?: Input<E[Key]>;
};

/** A handler's input: parsed, with defaults. */
export type ParsedRequestOf<E extends Endpoint> = {
  params: Output<E["params"]>;
  query: Output<E["query"]>;
  body: Output<E["body"]>;
};

/** The response body. */
export type ResponseOf<E extends Endpoint> = E["response"] extends Schema
  ? z.output<E["response"]>
  : undefined;

/** The response body of a request whose work is queued. */
export type AcceptedOf<E extends Endpoint> = E["accepted"] extends Schema
  ? z.output<E["accepted"]>
  : never;
