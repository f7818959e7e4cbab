import { queryOptions } from "@tanstack/react-query";
import { client } from "../client.js";
import { versioned } from "../incoming.js";

export const meQuery = queryOptions({
  queryKey: ["me"],
  queryFn: async ({ signal }) => versioned(await client.auth.me(undefined, { signal })),
  structuralSharing: false,
  staleTime: 60_000,
});

/** The ways to sign in that this installation offers. */
export const methodsQuery = queryOptions({
  queryKey: ["sign-in methods"],
  queryFn: async ({ signal }) => (await client.auth.methods(undefined, { signal })).data,
  staleTime: 60_000,
});
