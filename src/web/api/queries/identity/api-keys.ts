import { queryOptions } from "@tanstack/react-query";
import { withVersion } from "../../incoming.js";
import { client, everyPage } from "../../client.js";

export const apiKeysKey = ["api-keys"] as const;

export const apiKeysQuery = queryOptions({
  queryKey: [...apiKeysKey, "list"],
  queryFn: ({ signal }) => everyPage((query) => client.apiKeys.list({ query }, { signal })),
});

export const apiKeyQuery = (keyId: string) =>
  queryOptions({
    queryKey: [...apiKeysKey, keyId],
    queryFn: async ({ signal }) =>
      withVersion(await client.apiKeys.get({ params: { key_id: keyId } }, { signal })),
    structuralSharing: false,
  });

export const keyUsageQuery = (keyId: string) =>
  queryOptions({
    queryKey: [...apiKeysKey, keyId, "usage"],
    queryFn: async ({ signal }) =>
      (await client.apiKeys.usage({ params: { key_id: keyId } }, { signal })).data,
  });

export const organizationKeysQuery = (orgId: string) =>
  queryOptions({
    queryKey: [...apiKeysKey, "of organization", orgId],
    queryFn: ({ signal }) =>
      everyPage((query) =>
        client.apiKeys.listOfOrganization({ params: { org_id: orgId }, query }, { signal }),
      ),
  });
