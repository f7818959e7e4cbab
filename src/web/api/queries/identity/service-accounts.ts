import { queryOptions } from "@tanstack/react-query";
import { client, everyPage } from "../../client.js";
import { withVersion } from "../../incoming.js";
import { organizationsKey } from "../organization/organizations.js";

export const serviceAccountsKey = (orgId: string) =>
  [...organizationsKey, orgId, "service-accounts"] as const;

export const serviceAccountsQuery = (orgId: string) =>
  queryOptions({
    queryKey: serviceAccountsKey(orgId),
    queryFn: ({ signal }) =>
      everyPage((query) =>
        client.serviceAccounts.list({ params: { org_id: orgId }, query }, { signal }),
      ),
  });

/** Reads a service account with its ETag, for a form. */
export const readServiceAccount = async (org_id: string, service_account_id: string) =>
  withVersion(await client.serviceAccounts.get({ params: { org_id, service_account_id } }));

export const serviceAccountKeysQuery = (orgId: string, accountId: string) =>
  queryOptions({
    queryKey: [...serviceAccountsKey(orgId), accountId, "keys"],
    queryFn: ({ signal }) => {
      const params = { org_id: orgId, service_account_id: accountId };
      return everyPage((query) => client.serviceAccounts.listKeys({ params, query }, { signal }));
    },
  });
