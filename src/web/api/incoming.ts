import type { Answer } from "#shared/contract/call.js";

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
function versionOf(data: object): string | undefined {
  return tags.get(data);
}

/**
 * For `useForm`: what is saved in the fields, and how it is read again with its ETag where somebody
 * else changed it.
 */
export function editing<Data extends object, Values extends object>(
  data: Data,
  read: () => Promise<Data>,
  savedOf: (data: Data) => Values,
): {
  saved: Values;
  version: string | undefined;
  reread: () => Promise<{ saved: Values; version: string | undefined }>;
} {
  return {
    saved: savedOf(data),
    version: versionOf(data),
    reread: async () => {
      const fresh = await read();
      return { saved: savedOf(fresh), version: versionOf(fresh) };
    },
  };
}
