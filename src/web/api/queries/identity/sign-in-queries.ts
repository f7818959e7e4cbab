import { queryOptions } from "@tanstack/react-query";
import { client, everyPage } from "../../client.js";

export const secondFactorQuery = queryOptions({
  queryKey: ["second factor"],
  queryFn: async ({ signal }) => (await client.secondFactor.get(undefined, { signal })).data,
});

export const passkeysQuery = queryOptions({
  queryKey: ["passkeys"],
  queryFn: ({ signal }) => everyPage((query) => client.passkeys.list({ query }, { signal })),
});

export const identitiesQuery = queryOptions({
  queryKey: ["identities"],
  queryFn: ({ signal }) => everyPage((query) => client.oidc.identities({ query }, { signal })),
});
