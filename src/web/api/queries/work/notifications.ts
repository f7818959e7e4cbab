import { queryOptions } from "@tanstack/react-query";
import type { NotificationDelivery } from "#shared/api/work/notifications.js";
import { client } from "../../client.js";
import type { CursorList } from "../../cursor-pages.js";
import { withVersion } from "../../incoming.js";

const notificationsKey = ["notifications"] as const;

export const notificationSettingsQuery = queryOptions({
  queryKey: [...notificationsKey, "settings"],
  queryFn: async ({ signal }) => withVersion(await client.notifications.get(undefined, { signal })),
  structuralSharing: false,
});

export const notificationDeliveriesKey = [...notificationsKey, "deliveries"] as const;

/** New deliveries appear while the page is open. */
const DELIVERIES_INTERVAL_MS = 5000;

export const notificationDeliveries = (
  channel: NotificationDelivery["channel"] | undefined,
): CursorList<NotificationDelivery> => ({
  queryKey: [...notificationDeliveriesKey, channel ?? null],
  refetchInterval: DELIVERIES_INTERVAL_MS,
  read: (cursor, signal) =>
    client.notifications.deliveries({ query: { limit: 20, cursor, channel } }, { signal }),
});
