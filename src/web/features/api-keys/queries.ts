import { queryOptions } from "@tanstack/react-query";
import { client, everyPage } from "../../api.js";

export const apiKeysKey = ["api-keys"] as const;

export const apiKeysQuery = queryOptions({
  queryKey: [...apiKeysKey, "list"],
  queryFn: ({ signal }) => everyPage((query) => client.apiKeys.list({ query }, { signal })),
});

export const apiKeyQuery = (keyId: string) =>
  queryOptions({
    queryKey: [...apiKeysKey, keyId],
    queryFn: async ({ signal }) =>
      (await client.apiKeys.get({ params: { key_id: keyId } }, { signal })).data,
  });
