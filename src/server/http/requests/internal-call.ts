import { createHmac, timingSafeEqual } from "node:crypto";
import type { FastifyInstance, FastifyRequest } from "fastify";

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
 * in its headers. The caller's request was counted against the limit of its key, so this one is not.
 */
export type InternalCall = (request: InternalRequest) => Promise<InternalResponse>;

/** Marks a request as counted. The mark never leaves the servers of the installation, which may forward the request. */
const countedHeader = "x-omoi-counted";

/** @param secret of the installation */
const markOf = (secret: string): Buffer =>
  createHmac("sha256", secret).update("omoi counted request").digest();

export function internalCallOf(app: FastifyInstance, secret: string): InternalCall {
  const mark = markOf(secret).toString("base64url");
  return (request) =>
    app.inject({ ...request, headers: { ...request.headers, [countedHeader]: mark } });
}

/** Whether a request was already counted, as part of another one. */
export function isCounted({ headers }: Pick<FastifyRequest, "headers">, secret: string): boolean {
  const header = headers[countedHeader];
  if (typeof header !== "string") return false;
  const given = Buffer.from(header, "base64url");
  const mark = markOf(secret);
  return given.length === mark.length && timingSafeEqual(given, mark);
}
