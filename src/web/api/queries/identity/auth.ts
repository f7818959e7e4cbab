import { queryOptions } from "@tanstack/react-query";
import { client } from "../../client.js";
import { withVersion } from "../../incoming.js";

export const meQuery = queryOptions({
  queryKey: ["me"],
  queryFn: async ({ signal }) => withVersion(await client.auth.me(undefined, { signal })),
  structuralSharing: false,
  staleTime: 60_000,
});

/** Sign-in methods of this installation. */
export const methodsQuery = queryOptions({
  queryKey: ["sign-in methods"],
  queryFn: async ({ signal }) => (await client.auth.methods(undefined, { signal })).data,
  staleTime: 60_000,
});
