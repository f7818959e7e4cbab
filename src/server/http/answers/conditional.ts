import { createHash } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";
import { itemPath } from "#shared/contract/item-path.js";
import { AppError } from "../../errors.js";
import { preparedJson, textOf } from "../fast-path/prepared-json.js";

/** Returns the strong entity tag of bytes (RFC 9110, section 8.8.3). */
export function tagOf(text: string | Buffer): string {
  const digest = createHash("sha256").update(text).digest("base64url");
  return `"${digest.slice(0, 22)}"`;
}

/** Tags of responses whose text is known, which cannot change. */
const knownTags = new WeakMap<object, string>();

/** Returns the strong entity tag of a response. Equal bytes have equal tags. */
export function entityTag(data: unknown): string {
  const text = typeof data === "object" && data !== null ? textOf(data) : undefined;
  if (text === undefined) return tagOf(JSON.stringify(data));
  let tag = knownTags.get(data as object);
  if (tag === undefined) knownTags.set(data as object, (tag = tagOf(text)));
  return tag;
}

/**
 * Sets the ETag of a GET's response. Responds 304 without a body if the client has the current one. The
 * tag of a page of a list covers its link to the next page.
 */
export function withEntityTag(request: FastifyRequest, reply: FastifyReply, data: object): unknown {
  const link = reply.getHeader("link");
  const isKnown = textOf(data) !== undefined;
  // Serialized once, for the tag and the body.
  const answer = isKnown ? data : preparedJson(JSON.stringify(data));
  const tag = link === undefined ? entityTag(answer) : tagOf(`${String(link)}\n${textOf(answer)}`);
  reply.header("etag", tag);
  if (!isNotModified(request, tag)) return answer;
  reply.code(304);
  return undefined;
}

/** Whether the client of a GET has the response with this tag. */
export function isNotModified({ headers }: Pick<FastifyRequest, "headers">, tag: string): boolean {
  const known = headers["if-none-match"];
  return known !== undefined && (known.trim() === "*" || tagsOf(known).includes(tag));
}

/** Reads an item like its GET does, with the same permission check. */
export type ReadItem<Context> = (caller: Context, params: unknown) => Promise<unknown>;

/** Returns the item that a change affects, see `itemPath`. */
export function itemOf<Context>(
  path: string,
  items: ReadonlyMap<string, ReadItem<Context>>,
): { path: string; read: ReadItem<Context> } | undefined {
  const found = itemPath(path, items);
  const read = found === undefined ? undefined : items.get(found);
  return found === undefined || read === undefined ? undefined : { path: found, read };
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
