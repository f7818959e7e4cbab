import type { Answer } from "#shared/call.js";

const tags = new WeakMap<object, string>();

/**
 * The data of an answer, its ETag remembered with it. For queries with `structuralSharing: false`:
 * sharing would put another object in its place.
 */
export function versioned<Data extends object>({ data, headers }: Answer<Data>): Data {
  const tag = headers.get("etag");
  if (tag !== null) tags.set(data, tag);
  return data;
}

/** The ETag that the data was read with, for If-Match; undefined where none was given. */
export function versionOf(data: object): string | undefined {
  return tags.get(data);
}
