import type { FastifyInstance } from "fastify";

/** A request of the server to its own API. */
interface InternalRequest {
  method: "GET" | "POST" | "PATCH" | "PUT" | "DELETE";
  url: string;
  headers: Record<string, string>;
  /** The address of the caller for whom it is made. */
  remoteAddress: string;
  payload?: object;
}

interface InternalResponse {
  statusCode: number;
  body: string;
  headers: Record<string, unknown>;
}

/**
 * Makes a request as its caller would, without a connection: every check of the call applies. The credential is
 * in its headers.
 */
export type InternalCall = (request: InternalRequest) => Promise<InternalResponse>;

export function internalCallOf(app: FastifyInstance): InternalCall {
  return (request) => app.inject(request);
}
