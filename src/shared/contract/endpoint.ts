import type { z } from "zod";
import type { Permission } from "../permissions.js";

export type Method = "GET" | "POST" | "PATCH" | "PUT" | "DELETE";

/** Where a call's organization comes from: a path parameter or a field of the body. */
export type TenantSource =
  | "params.org_id"
  | "params.project_id"
  | "params.agent_id"
  | "params.run_id"
  | "body.organization_id"
  | "body.project_id";

/** Who may make a call. */
export type Audience = "public" | "signed-in" | "super-admin" | Permission;

type Schema = z.ZodType;
type ObjectSchema = z.ZodObject;

/**
 * One call of the API, written once: the server's validation, the typed client, the OpenAPI document
 * and the forms all read it.
 *
 * - `access`: `public`, `signed-in`, `super-admin` (to everybody else it is absent), or the permission needed in the organization named by `tenant`.
 * - `status`: of the answer on success.
 * - `response`: null where there is no body (204), or where the handler streams something else.
 */
export interface Endpoint<
  Params extends ObjectSchema | null = ObjectSchema | null,
  Query extends ObjectSchema | null = ObjectSchema | null,
  Body extends Schema | null = Schema | null,
  Response extends Schema | null = Schema | null,
  Access extends Audience = Audience,
> {
  method: Method;
  path: `/${string}`;
  access: Access;
  tenant: TenantSource | null;
  summary: string;
  /** Whether the call may change an archived organization: restoring it is the one that does. */
  whenArchived: boolean;
  /** Whether it takes something from somebody: it is answered when every server process knows. */
  revokes: boolean;
  /** Whether it changes nothing that anybody sees (RFC 9110, section 9.2.1): as every GET. */
  safe: boolean;
  status: number;
  params: Params;
  query: Query;
  body: Body;
  response: Response;
}

interface Definition<
  Params extends ObjectSchema | null,
  Query extends ObjectSchema | null,
  Body extends Schema | null,
  Response extends Schema | null,
  Access extends Audience,
> {
  method: Method;
  path: `/${string}`;
  access: Access;
  summary: string;
  tenant?: TenantSource;
  whenArchived?: boolean;
  revokes?: boolean;
  safe?: boolean;
  status?: number;
  params?: Params;
  query?: Query;
  body?: Body;
  response?: Response;
}

/**
 * Declares a call. The tenant is taken from the path where it names one, and has to be said where a
 * permission is needed and the path does not.
 */
export function endpoint<
  Params extends ObjectSchema | null = null,
  Query extends ObjectSchema | null = null,
  Body extends Schema | null = null,
  Response extends Schema | null = null,
  const Access extends Audience = Permission,
>(
  definition: Definition<Params, Query, Body, Response, Access>,
): Endpoint<Params, Query, Body, Response, Access> {
  const fromPath = /\{(org_id|project_id|agent_id|run_id)\}/.exec(definition.path)?.[1];
  return {
    method: definition.method,
    path: definition.path,
    access: definition.access,
    tenant:
      definition.tenant ?? (fromPath === undefined ? null : (`params.${fromPath}` as TenantSource)),
    summary: definition.summary,
    whenArchived: definition.whenArchived ?? definition.method === "GET",
    revokes: definition.revokes ?? false,
    safe: definition.safe ?? definition.method === "GET",
    status: definition.status ?? (definition.response ? 200 : 204),
    params: (definition.params ?? null) as Params,
    query: (definition.query ?? null) as Query,
    body: (definition.body ?? null) as Body,
    response: (definition.response ?? null) as Response,
  };
}

type Input<Part> = Part extends Schema ? z.input<Part> : undefined;
type Output<Part> = Part extends Schema ? z.output<Part> : undefined;

type Part = "params" | "query" | "body";
/** Whether a part may be left out: a body that is optional, a query whose fields all are. */
type MayOmit<Key extends Part, Value> = undefined extends Value
  ? true
  : Key extends "query"
    ? {} extends Value
      ? true
      : false
    : false;

/** What a caller gives: each part only where the call has it. */
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

/** What a handler is given: parsed, with defaults filled in. */
export type ParsedRequestOf<E extends Endpoint> = {
  params: Output<E["params"]>;
  query: Output<E["query"]>;
  body: Output<E["body"]>;
};

/** What the call answers with. */
export type ResponseOf<E extends Endpoint> = E["response"] extends Schema
  ? z.output<E["response"]>
  : undefined;
