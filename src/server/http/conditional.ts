import { createHash } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { Endpoint } from "#shared/contract/endpoint.js";
import { AppError } from "../errors.js";
import { memoizeFrozen } from "./fast-path/frozen-memo.js";

/** The strong entity tag of a response (RFC 9110, section 8.8.3): equal bytes have equal tags. */
export const entityTag = memoizeFrozen((data) => {
  const digest = createHash("sha256").update(JSON.stringify(data)).digest("base64url");
  return `"${digest.slice(0, 22)}"`;
});

/** Names the state that a GET answers; 304 without a body where the client has it already. */
export function withEntityTag(
  request: FastifyRequest,
  reply: FastifyReply,
  data: unknown,
): unknown {
  const tag = entityTag(data);
  reply.header("etag", tag);
  const known = request.headers["if-none-match"];
  if (known === undefined || !tagsOf(known).includes(tag)) return data;
  reply.code(304);
  return undefined;
}

/** Reads an item as the caller would by its GET, with the permission that this needs. */
export type ReadItem<Context> = (caller: Context, params: unknown) => Promise<unknown>;

/** Whether a GET answers one item, which has an ETag: no list, stream or redirection. */
export function isItem({ response }: Endpoint): boolean {
  return response !== null && !(response instanceof z.ZodArray);
}

/**
 * The item that a change is about: that of the GET of the same path, or of the nearest path above of
 * which it changes a fixed part, such as `/upstream/credential` of a project.
 */
export function itemOf<Context>(
  path: string,
  items: ReadonlyMap<string, ReadItem<Context>>,
): { path: string; read: ReadItem<Context> } | undefined {
  for (let above = path; ; above = above.slice(0, above.lastIndexOf("/"))) {
    const read = items.get(above);
    if (read) return { path: above, read };
    // An item of a collection is no part of what the collection belongs to.
    if (above === "" || above.endsWith("}")) return undefined;
  }
}

/** @returns AppError 412: nothing has the ETag that the caller sent */
export function noEntityTag(): AppError {
  return new AppError("stale", "This call changes nothing that has an ETag; leave If-Match out.");
}

/**
 * Refuses a change of something that is no longer as the caller saw it.
 * @throws AppError 412 `stale`
 */
export function requireMatch(ifMatch: string, current: unknown): void {
  if (ifMatch.trim() === "*" || tagsOf(ifMatch).includes(entityTag(current))) return;
  throw new AppError(
    "stale",
    "Somebody changed this since you read it; read it again and repeat your change.",
  );
}

function tagsOf(header: string): string[] {
  return header.split(",").map((tag) => tag.trim().replace(/^W\//, ""));
}
