import { queryOptions } from "@tanstack/react-query";
import { client } from "../../api.js";

export const secondFactorQuery = queryOptions({
  queryKey: ["second factor"],
  queryFn: async ({ signal }) => (await client.secondFactor.get(undefined, { signal })).data,
});

export const passkeysQuery = queryOptions({
  queryKey: ["passkeys"],
  queryFn: async ({ signal }) => (await client.passkeys.list(undefined, { signal })).data,
});

export const identitiesQuery = queryOptions({
  queryKey: ["identities"],
  queryFn: async ({ signal }) => (await client.oidc.identities(undefined, { signal })).data,
});
