import type { Answer } from "#shared/contract/call.js";

const tags = new WeakMap<object, string>();

/**
 * Returns the data of a response and records its ETag. Queries must set `structuralSharing: false`,
 * since sharing would replace the object.
 */
export function withVersion<Data extends object>({ data, headers }: Answer<Data>): Data {
  const tag = headers.get("etag");
  if (tag !== null) tags.set(data, tag);
  return data;
}

/** Returns the ETag of the data, for If-Match; undefined if the response had none. */
function versionOf(data: object): string | undefined {
  return tags.get(data);
}

/**
 * Options of `useForm`: the saved values, and a function that reads them again with their ETag after an
 * edit conflict.
 */
export function editOptions<Data extends object, Values extends object>(
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
