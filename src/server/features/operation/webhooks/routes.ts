import { z } from "zod";
import { webhooks, type Delivery, type Webhook } from "#shared/api/operation/webhooks.js";
import { describeEvent, eventNames, permissionOfEvent } from "#shared/operation/event-types.js";
import { byId, byTime, fromMemory, pagesOf } from "../../../http/requests/pagination.js";
import type { Handlers } from "../../../http/register-routes.js";
import { listDeliveries } from "./deliveries.queries.js";
import * as actions from "./webhooks.js";
import { listWebhooks } from "./webhooks.queries.js";

const described = eventNames.map((name) => ({
  name,
  description: describeEvent(name),
  permission: permissionOfEvent(name),
}));
const rankOf = (name: string): number => eventNames.findIndex((known) => known === name);

export function webhookHandlers(deps: actions.WebhookDeps): Handlers<typeof webhooks> {
  const pages = pagesOf(webhooks.list, byId);
  const deliveryPages = pagesOf(webhooks.deliveries, byTime);
  const typePages = pagesOf(webhooks.eventTypes, z.tuple([z.enum(eventNames)]));
  return {
    eventTypes: (context, { query }) =>
      typePages(context, query, {
        read: fromMemory(described, ({ name }, [after]) => rankOf(name) > rankOf(after)),
        keyOf: ({ name }: (typeof described)[number]) => [name],
      }),
    create: (context, { body }) => actions.createWebhook(deps, context, body),
    list: (context, { query }) =>
      pages(context, query, {
        read: (after, limit) => context.tx((tx) => listWebhooks(tx, after?.[0] ?? null, limit)),
        keyOf: ({ id }: Webhook) => [id],
      }),
    get: ({ tx }, { params }) =>
      tx((transaction) => actions.readWebhook(transaction, params.webhook_id)),
    update: (context, { params, body }) =>
      actions.updateWebhook(deps, context, params.webhook_id, body),
    delete: async (context, { params }) => {
      await actions.deleteWebhook(context, params.webhook_id);
      return undefined;
    },
    rotateSecret: (context, { params }) => actions.rotateSecret(deps, context, params.webhook_id),
    test: async (context, { params }) =>
      withoutPayload(await actions.testWebhook(deps, context, params.webhook_id)),
    deliveries: async (context, { params, query }) => {
      await context.tx((tx) => actions.readWebhook(tx, params.webhook_id));
      return deliveryPages(context, query, {
        read: (before, limit) =>
          context.tx((tx) =>
            listDeliveries(tx, params.webhook_id, { status: query.status ?? null, before, limit }),
          ),
        keyOf: ({ created_at, id }: Delivery) => [created_at, id],
      });
    },
    delivery: async ({ tx, access }, { params }) => {
      const delivery = await tx((transaction) =>
        actions.readDelivery(transaction, params.webhook_id, params.delivery_id),
      );
      actions.requireEvents(access, [delivery.event_type]);
      return delivery;
    },
    redeliver: async (context, { params }) =>
      withoutPayload(await actions.redeliver(deps, context, params.webhook_id, params.delivery_id)),
  };
}

function withoutPayload<Row extends { payload: unknown }>({
  payload: _payload,
  ...delivery
}: Row): Omit<Row, "payload"> {
  return delivery;
}
