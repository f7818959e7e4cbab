import type { Endpoint } from "../endpoint.js";
import { isItem, itemPath } from "../item-path.js";
import type { JsonObject } from "./schemas.js";

const text = { type: "string" };
const seconds = { type: "integer", minimum: 0 };

/** The response headers of the API by name. */
export const headerComponents = {
  ETag: {
    description:
      "Version of the answer, for `If-None-Match`; that of an item also for `If-Match`. `W/` before it marks a compressed answer and does not matter.",
    schema: text,
    example: '"Q2hhbmdlZCB3aXRoIGVhY2"',
  },
  IdempotentReplayed: {
    description: "`true` if this is the stored answer to an earlier request with the same key.",
    schema: { type: "string", const: "true" },
    example: "true",
  },
  Link: {
    description:
      "The next page of a list (RFC 8288), to be followed as it is. Absent on the last page.",
    schema: text,
    example: '</api/v1/projects?limit=100&cursor=WyIvYXBp>; rel="next"',
  },
  Location: {
    description: "Path of what the call has created.",
    schema: { type: "string", format: "uri-reference" },
    example: "/api/v1/projects/01995b3e-1f40-7c1d-8f2a-5d3c9a7b6e10",
  },
  RateLimit: {
    description:
      "What is left of a limit, and the seconds until it is renewed. Present where a limit applies.",
    schema: text,
    example: '"default";r=59;t=42',
  },
  RateLimitPolicy: {
    description: "The limit: a number of requests in a window of seconds.",
    schema: text,
    example: '"default";q=60;w=60',
  },
  RetryAfter: {
    description: "Seconds to wait before the request is sent again.",
    schema: seconds,
    example: 5,
  },
  WWWAuthenticate: {
    description: "How to authenticate (RFC 6750). `error` is present if a credential was sent.",
    schema: text,
    example: 'Bearer error="invalid_token"',
  },
  XRequestId: {
    description: "Id of the request in the server's log.",
    schema: { type: "string", format: "uuid" },
    example: "01995b3e-1f40-7c1d-8f2a-5d3c9a7b6e10",
  },
} as const;

/** The request headers of the API by name. */
export const parameterComponents = {
  IfMatch: {
    name: "If-Match",
    in: "header",
    required: false,
    description:
      "`ETag` of the item as you have read it: if the item has changed since, the call is 412 `stale` and changes nothing. `*` only requires that the item exists.",
    schema: text,
    example: '"Q2hhbmdlZCB3aXRoIGVhY2"',
  },
  IfNoneMatch: {
    name: "If-None-Match",
    in: "header",
    required: false,
    description: "`ETag` of an answer that you have: if it is still current, the call is 304.",
    schema: text,
    example: '"Q2hhbmdlZCB3aXRoIGVhY2"',
  },
  IdempotencyKey: {
    name: "Idempotency-Key",
    in: "header",
    required: false,
    description:
      "A value of your own for this request. A repetition with the same key and body within 24 hours gets the first answer, without secrets, and has no further effect.",
    schema: { type: "string", minLength: 1, maxLength: 255, pattern: "^[!-~]+$" },
    example: "3f8b6c1e-create-worker-1",
  },
  LastEventID: {
    name: "Last-Event-ID",
    in: "header",
    required: false,
    description: "Id of the last event that you have received: the stream goes on after it.",
    schema: text,
    example: "1764149400000-42",
  },
} as const;

const headerNames: Record<keyof typeof headerComponents, string> = {
  ETag: "ETag",
  IdempotentReplayed: "Idempotent-Replayed",
  Link: "Link",
  Location: "Location",
  RateLimit: "RateLimit",
  RateLimitPolicy: "RateLimit-Policy",
  RetryAfter: "Retry-After",
  WWWAuthenticate: "WWW-Authenticate",
  XRequestId: "X-Request-Id",
};

type HeaderKey = keyof typeof headerComponents;

/** Returns references to headers by their names. */
export function headers(keys: readonly HeaderKey[]): JsonObject {
  return Object.fromEntries(
    keys.map((key) => [headerNames[key], { $ref: `#/components/headers/${key}` }]),
  );
}

/** Whether the response of a GET has an ETag: all JSON has. */
export function hasTag({ method, response }: Endpoint): boolean {
  return method === "GET" && response !== null;
}

/** The headers of a successful response. */
export function successHeaders(endpoint: Endpoint, status: number): JsonObject {
  const { method, access, query, location } = endpoint;
  const isList = method === "GET" && query !== null && "cursor" in query.shape;
  return headers([
    ...(hasTag(endpoint) ? (["ETag"] as const) : []),
    ...(isList ? (["Link"] as const) : []),
    ...(location !== null && status === 201 ? (["Location"] as const) : []),
    ...(method === "POST" && access !== "public" ? (["IdempotentReplayed"] as const) : []),
    ...(access === "public" ? [] : (["RateLimit", "RateLimitPolicy"] as const)),
    "XRequestId",
  ]);
}

/** The headers of an error by its status. */
export function errorHeaders(status: number): JsonObject {
  const more: Record<number, readonly HeaderKey[]> = {
    401: ["WWWAuthenticate"],
    429: ["RetryAfter", "RateLimit", "RateLimitPolicy"],
    503: ["RetryAfter"],
  };
  return headers([...(more[status] ?? []), "XRequestId"]);
}

/** The header parameters of a call. @param items paths of the GETs of single items */
export function headerParameters(endpoint: Endpoint, items: ReadonlySet<string>): JsonObject[] {
  const { method, path, access, media } = endpoint;
  const keys: (keyof typeof parameterComponents)[] = [];
  if (hasTag(endpoint)) keys.push("IfNoneMatch");
  if (method === "POST" && access !== "public") keys.push("IdempotencyKey");
  if (method !== "GET" && method !== "POST" && itemPath(path, items)) keys.push("IfMatch");
  if (media.includes("text/event-stream")) keys.push("LastEventID");
  return keys.map((key) => ({ $ref: `#/components/parameters/${key}` }));
}

/** Returns the paths of the GETs of single items. */
export function itemPaths(endpoints: readonly Endpoint[]): ReadonlySet<string> {
  const items = endpoints.filter((endpoint) => endpoint.method === "GET" && isItem(endpoint));
  return new Set(items.map(({ path }) => path));
}
