import { queryOptions } from "@tanstack/react-query";
import type { Delivery } from "#shared/api/operation/webhooks.js";
import { client, everyPage } from "../../client.js";
import type { CursorList } from "../../cursor-pages.js";
import { withVersion } from "../../incoming.js";
import { organizationsKey } from "../organization/organizations.js";

export const webhooksKey = (orgId: string) => [...organizationsKey, orgId, "webhooks"] as const;

export const webhooksQuery = (orgId: string) =>
  queryOptions({
    queryKey: webhooksKey(orgId),
    queryFn: ({ signal }) =>
      everyPage((query) => client.webhooks.list({ params: { org_id: orgId }, query }, { signal })),
  });

/** Reads a webhook with its ETag, for a form. */
export const readWebhook = async (org_id: string, webhook_id: string) =>
  withVersion(await client.webhooks.get({ params: { org_id, webhook_id } }));

/** New deliveries appear while the log is open. */
const DELIVERIES_INTERVAL_MS = 3000;

export const deliveryList = (
  orgId: string,
  webhookId: string,
  status: Delivery["status"] | undefined,
): CursorList<Delivery> => ({
  queryKey: [...webhooksKey(orgId), webhookId, "deliveries", status ?? null],
  refetchInterval: DELIVERIES_INTERVAL_MS,
  read: (cursor, signal) =>
    client.webhooks.deliveries(
      {
        params: { org_id: orgId, webhook_id: webhookId },
        query: { limit: 20, cursor, status },
      },
      { signal },
    ),
});

export const deliveryQuery = (orgId: string, webhookId: string, id: string) =>
  queryOptions({
    queryKey: [...webhooksKey(orgId), webhookId, "delivery", id],
    queryFn: async ({ signal }) => {
      const params = { org_id: orgId, webhook_id: webhookId, delivery_id: id };
      return (await client.webhooks.delivery({ params }, { signal })).data;
    },
  });
