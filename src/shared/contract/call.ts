import type { Problem } from "../errors.js";
import type { AcceptedOf, Endpoint, RequestOf, ResponseOf } from "./endpoint.js";
import type { api } from "../api/index.js";

/** An error response of the API, or (status 0) no response. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.problem = problem;
  }

  get status(): number {
    return this.problem.status;
  }

  get code(): Problem["code"] {
    return this.problem.code;
  }

  /**
   * Returns the first error of a body field, such as `slug` or `settings.retention_days`; undefined
   * if it is valid.
   */
  field(fieldName: string): string | undefined {
    return this.problem.errors?.find(
      ({ loc }) => loc[1] === fieldName || loc.slice(1).join(".") === fieldName,
    )?.msg;
  }
}

export interface Answer<Data> {
  status: number;
  headers: Headers;
  data: Data;
}

/** The part of an endpoint that a request needs. */
type Target = Pick<Endpoint, "method" | "path">;

interface CallOptions {
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** A call that answers 202 when its body asks for queued work. */
interface QueueableCall<E extends Endpoint> {
  (
    request: RequestOf<E> & { body: { queue: true } },
    options?: CallOptions,
  ): Promise<Answer<AcceptedOf<E>>>;
  (request: RequestOf<E>, options?: CallOptions): Promise<Answer<ResponseOf<E>>>;
}

type Call<E extends Endpoint> = [AcceptedOf<E>] extends [never] ? PlainCall<E> : QueueableCall<E>;

type PlainCall<E extends Endpoint> =
  {} extends RequestOf<E>
    ? (request?: RequestOf<E>, options?: CallOptions) => Promise<Answer<ResponseOf<E>>>
    : (request: RequestOf<E>, options?: CallOptions) => Promise<Answer<ResponseOf<E>>>;

export type Client = {
  [Resource in keyof typeof api]: {
    [Name in keyof (typeof api)[Resource]]: (typeof api)[Resource][Name] extends Endpoint
      ? Call<(typeof api)[Resource][Name]>
      : never;
  };
};

interface AnyRequest {
  params?: Record<string, string>;
  query?: Record<string, string | number | boolean | undefined>;
  body?: unknown;
}

/** Whether a text can be a segment of a path: `.` and `..` would lead to another call. */
export const isSegment = (text: string | undefined): text is string =>
  text !== undefined && text !== "" && text !== "." && text !== "..";

/**
 * Builds the path of a call from its parameters and query.
 * @throws RangeError for a parameter that is missing, or that cannot be a segment of a path
 */
export function urlOf(endpoint: Target, request: AnyRequest = {}): string {
  const path = endpoint.path.replaceAll(/\{(\w+)\}/g, (_match, parameter: string) => {
    const value = request.params?.[parameter];
    if (!isSegment(value)) throw new RangeError(`${parameter} must not be "${value ?? ""}"`);
    return encodeURIComponent(value);
  });
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(request.query ?? {})) {
    if (value !== undefined) query.set(key, String(value));
  }
  const search = query.toString();
  return search === "" ? path : `${path}?${search}`;
}

/** Fetches a path of the API; adds origin and credentials. */
export type FetchLike = (path: string, init: RequestInit) => Promise<Response>;

/**
 * Creates a client with calls by resource and name: `client.organizations.get({ params: { org_id }
 * })` returns `{ status, headers, data }`. Calls throw `ApiError`.
 *
 * @param calls endpoints; only method and path are read
 */
export function clientOf(
  calls: Record<string, Record<string, Target>>,
  fetchLike: FetchLike,
): Client {
  const call = async (
    endpoint: Target,
    request: AnyRequest = {},
    options: CallOptions = {},
  ): Promise<Answer<unknown>> => {
    const headers: Record<string, string> = { accept: "application/json", ...options.headers };
    const init: RequestInit = { method: endpoint.method, headers };
    if (options.signal) init.signal = options.signal;
    if (request.body !== undefined) {
      headers["content-type"] = "application/json";
      init.body = JSON.stringify(request.body);
    }
    const response = await fetchLike(urlOf(endpoint, request), init);
    const text = await response.text();
    const isJson = /\bjson\b/.test(response.headers.get("content-type") ?? "");
    const data: unknown = isJson && text !== "" ? JSON.parse(text) : undefined;
    if (!response.ok) throw new ApiError(isProblem(data) ? data : unreadable(response.status));
    return { status: response.status, headers: response.headers, data };
  };

  return Object.fromEntries(
    Object.entries(calls).map(([resource, endpoints]) => [
      resource,
      Object.fromEntries(
        Object.entries(endpoints).map(([name, endpoint]) => [
          name,
          (request?: AnyRequest, options?: CallOptions) => call(endpoint, request, options),
        ]),
      ),
    ]),
  ) as unknown as Client;
}

function isProblem(data: unknown): data is Problem {
  return typeof data === "object" && data !== null && "code" in data && "detail" in data;
}

function unreadable(status: number): Problem {
  return {
    type: "about:blank",
    title: "Unreadable answer",
    status,
    detail: `The response (status ${status}) is not from the API. Check whether a proxy is in between.`,
    code: "unavailable",
    request_id: "",
  };
}
