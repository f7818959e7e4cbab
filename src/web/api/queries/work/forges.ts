import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import type { DeliveryStatus, ForgeDelivery } from "#shared/api/work/forge-deliveries.js";
import type { CursorList } from "../../cursor-pages.js";
import { client, everyPage } from "../../client.js";
import { withVersion } from "../../incoming.js";
import { organizationsKey } from "../organization/organizations.js";

export const forgesKey = (orgId: string) => [...organizationsKey, orgId, "forges"] as const;

export const forgesQuery = (orgId: string) =>
  queryOptions({
    queryKey: forgesKey(orgId),
    queryFn: ({ signal }) =>
      everyPage((query) => client.forges.list({ params: { org_id: orgId }, query }, { signal })),
  });

export const forgeQuery = (org_id: string, forge_id: string) =>
  queryOptions({
    queryKey: [...forgesKey(org_id), forge_id],
    queryFn: async ({ signal }) =>
      (await client.forges.get({ params: { org_id, forge_id } }, { signal })).data,
  });

const DELIVERIES_INTERVAL_MS = 5000;

/** The events of a forge, newest first. */
export const forgeDeliveryList = (
  org_id: string,
  forge_id: string,
  status: DeliveryStatus | undefined,
): CursorList<ForgeDelivery> => ({
  queryKey: [...forgesKey(org_id), forge_id, "deliveries", status ?? null],
  refetchInterval: DELIVERIES_INTERVAL_MS,
  read: (cursor, signal) =>
    client.forgeDeliveries.list(
      { params: { org_id, forge_id }, query: { limit: 50, cursor, status } },
      { signal },
    ),
});

/** Reads a connection with its ETag, for a form. */
export const readForge = async (org_id: string, forge_id: string) =>
  withVersion(await client.forges.get({ params: { org_id, forge_id } }));

/** The first repositories that a connection reaches and whose name contains the text. */
export const repositoriesQuery = (orgId: string, forgeId: string, q: string) =>
  queryOptions({
    queryKey: [...forgesKey(orgId), forgeId, "repositories", q],
    queryFn: async ({ signal }) => {
      const params = { org_id: orgId, forge_id: forgeId };
      const query = { limit: 20, ...(q !== "" && { q }) };
      return (await client.forges.repositories({ params, query }, { signal })).data;
    },
    placeholderData: keepPreviousData,
    retry: false,
  });

export const forgePeopleKey = (orgId: string, forgeId: string) =>
  [...forgesKey(orgId), forgeId, "people"] as const;

/** The logins of a forge whose members are known. */
export const forgePeopleQuery = (orgId: string, forgeId: string) =>
  queryOptions({
    queryKey: forgePeopleKey(orgId, forgeId),
    queryFn: ({ signal }) =>
      everyPage((query) =>
        client.forgePeople.list(
          { params: { org_id: orgId, forge_id: forgeId }, query },
          { signal },
        ),
      ),
  });

/** The forges of an organization with the logins of the signed-in person. */
export const forgeAccountsQuery = (orgId: string) =>
  queryOptions({
    queryKey: [...forgesKey(orgId), "accounts"],
    queryFn: ({ signal }) =>
      everyPage((query) =>
        client.forgePeople.accounts({ params: { org_id: orgId }, query }, { signal }),
      ),
  });
