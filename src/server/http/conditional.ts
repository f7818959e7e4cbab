import { createHash } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { Endpoint } from "#shared/contract/endpoint.js";
import { AppError } from "../errors.js";
import { memoizeFrozen } from "./fast-path/frozen-memo.js";

/** Returns the strong entity tag of a response (RFC 9110, section 8.8.3). Equal bytes have equal tags. */
export const entityTag = memoizeFrozen((data) => {
  const digest = createHash("sha256").update(JSON.stringify(data)).digest("base64url");
  return `"${digest.slice(0, 22)}"`;
});

/** Sets the ETag of a GET's response. Responds 304 without a body if the client has the current one. */
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

/** Reads an item like its GET does, with the same permission check. */
export type ReadItem<Context> = (caller: Context, params: unknown) => Promise<unknown>;

/** Whether a GET returns a single item, which has an ETag: no list, stream or redirect. */
export function isItem({ response }: Endpoint): boolean {
  return response !== null && !(response instanceof z.ZodArray);
}

/**
 * Returns the item that a change affects: the item whose GET has the same path, or the item that
 * contains the changed part, such as the project of `/upstream/credential`.
 */
export function itemOf<Context>(
  path: string,
  items: ReadonlyMap<string, ReadItem<Context>>,
): { path: string; read: ReadItem<Context> } | undefined {
  for (let above = path; ; above = above.slice(0, above.lastIndexOf("/"))) {
    const read = items.get(above);
    if (read) return { path: above, read };
    // A member of a collection is not a part of the collection's owner.
    if (above === "" || above.endsWith("}")) return undefined;
  }
}

/** @returns AppError 412: the target of the call has no ETag */
export function noEntityTag(): AppError {
  return new AppError("stale", "This call changes nothing that has an ETag; leave If-Match out.");
}

/**
 * Rejects a change based on an outdated version.
 * @throws AppError 412 `stale`
 */
export function requireMatch(ifMatch: string, current: unknown): void {
  if (ifMatch.trim() === "*" || tagsOf(ifMatch).includes(entityTag(current))) return;
  throw new AppError(
    "stale",
    "This has changed since you read it; read it again and repeat your change.",
  );
}

function tagsOf(header: string): string[] {
  return header.split(",").map((tag) => tag.trim().replace(/^W\//, ""));
}
