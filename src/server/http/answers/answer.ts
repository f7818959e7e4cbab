import type { Readable } from "node:stream";
import type { CookieSerializeOptions } from "@fastify/cookie";
import type { FastifyReply } from "fastify";
import type { MediaType } from "#shared/contract/endpoint.js";

export interface Cookie {
  name: string;
  /** Null deletes the cookie. */
  value: string | null;
  options: CookieSerializeOptions;
}

export interface AnswerHead {
  /** Overrides the status that the endpoint declares. */
  status?: number;
  headers?: Readonly<Record<string, string>>;
  cookies?: readonly Cookie[];
}

/** A response body with its own status, headers or cookies. */
export class Answer<out Body> {
  readonly body: Body;
  readonly head: AnswerHead;
  constructor(body: Body, head: AnswerHead = {}) {
    this.body = body;
    this.head = head;
  }
}

/** Text in a media type that the endpoint declares. Null is the response to a HEAD request. */
export class Content<out Type extends MediaType> extends Answer<string | Readable | null> {
  readonly type: Type;
  constructor(type: Type, body: string | Readable | null, head: AnswerHead = {}) {
    super(body, head);
    this.type = type;
  }
}

/** Forbids caches to store the response. */
export const noStore = { headers: { "cache-control": "no-store" } } as const;

/**
 * Server-Sent Events. The connection closes with the stream: a keep-alive connection would delay a
 * shutdown.
 */
export function eventStream(stream: Readable | null): Content<"text/event-stream"> {
  return new Content("text/event-stream", stream, {
    headers: { "cache-control": "no-store", "x-accel-buffering": "no", connection: "close" },
  });
}

const contentTypes: Readonly<Record<MediaType, string>> = {
  "application/x-ndjson": "application/x-ndjson; charset=utf-8",
  "text/csv": "text/csv; charset=utf-8; header=present",
  "text/event-stream": "text/event-stream; charset=utf-8",
  "text/plain": "text/plain; charset=utf-8",
  "text/x-diff": "text/x-diff; charset=utf-8",
};

/**
 * Writes the status, headers and cookies of an answer to the reply. @returns the body; undefined
 * without one
 */
export function applyHead(reply: FastifyReply, answer: Answer<unknown>): unknown {
  const { status, headers, cookies = [] } = answer.head;
  if (status !== undefined) reply.code(status);
  if (headers) reply.headers(headers);
  if (answer instanceof Content) reply.type(contentTypes[answer.type as MediaType]);
  for (const { name, value, options } of cookies) {
    if (value === null) reply.clearCookie(name, options);
    else reply.setCookie(name, value, options);
  }
  return answer.body ?? undefined;
}
