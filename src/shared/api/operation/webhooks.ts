import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import {
  description,
  id,
  jsonObject,
  nullable,
  orgParams,
  page,
  timestamp,
} from "../../contract/fields.js";
import { eventNames, isEventPattern } from "../../operation/event-types.js";
import { deliveryStatuses, disabledReasons } from "../../operation/webhook-choices.js";

const disabledReason = z
  .enum(disabledReasons)
  .nullable()
  .describe(
    "Why it is disabled: `manual` by a member, `gone` after a 410 response, `failing` after three days without a success, `backlog` with too many waiting deliveries; null while it is enabled",
  );

/** A webhook. Its secret is returned only when it is created or rotated. */
export const webhook = z.strictObject({
  id: id.describe("The webhook's id"),
  url: z.string().describe("Where events are sent").meta({ example: "https://example.com/omoi" }),
  events: z
    .array(z.string())
    .describe("Event types, `<subject>.*` for all types of a subject, or `*` for all")
    .meta({ example: ["run.failed", "merge.*"] }),
  description: nullable.string.describe("A note of the organization"),
  enabled: z.boolean().describe("Whether it gets events"),
  disabled_reason: disabledReason,
  disabled_at: nullable.timestamp.describe("When it was disabled"),
  failing_since: nullable.timestamp.describe(
    "The first failed attempt since the last success; null when attempts succeed",
  ),
  previous_secret_expires_at: nullable.timestamp.describe(
    "Until when the secret before the last rotation signs as well",
  ),
  created_by: z
    .strictObject({
      id: id.describe("Id of the user"),
      name: z.string().describe("Name or email address of the user"),
    })
    .describe("The member who created it"),
  created_at: timestamp.describe("When it was created"),
  updated_at: timestamp.describe("When it was last changed"),
});
export type Webhook = z.output<typeof webhook>;

/** The secret in the response to the call that made it. */
export const newWebhookSecret = {
  secret: nullable.string
    .describe("Signs the deliveries, as `whsec_` and base64; shown only once")
    .meta({ example: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" }),
};
const webhookWithSecret = webhook.extend(newWebhookSecret);

export const delivery = z.strictObject({
  id: id.describe("The delivery's id"),
  event_id: id.describe("The event's id, sent as `webhook-id`; redeliveries repeat it"),
  event_type: z.string().describe("The event's type").meta({ example: "run.failed" }),
  status: z.enum(deliveryStatuses).describe("`pending` until it is delivered or given up"),
  is_redelivery: z.boolean().describe("Whether a member asked for it"),
  attempts: z.int().describe("How many times it was sent"),
  created_at: timestamp.describe("When it was created"),
  next_attempt_at: nullable.timestamp.describe(
    "The earliest time of the next attempt; null unless it is pending",
  ),
  ended_at: nullable.timestamp.describe("When it was delivered or given up"),
  last_attempt: z
    .strictObject({
      at: timestamp.describe("When it began"),
      duration_ms: nullable.integer.describe("How long it took; null while it runs"),
      response_status: nullable.integer.describe("HTTP status; null without a response"),
      response_body: nullable.string.describe(
        "The first KiB of the response, as text from the receiver",
      ),
      error: nullable.string.describe("Why it failed, as a sentence; null for a success"),
    })
    .nullable()
    .describe("The last attempt; null before the first one"),
});
export type Delivery = z.output<typeof delivery>;

const deliveryWithPayload = delivery.extend({
  payload: z
    .strictObject({
      type: z.string().describe("The event's type").meta({ example: "run.failed" }),
      timestamp: timestamp.describe("When it happened"),
      data: jsonObject(1024 * 1024).describe(
        "Ids, names and states of what the event is about, by event type",
      ),
    })
    .describe("The body that is sent"),
});
export type DeliveryWithPayload = z.output<typeof deliveryWithPayload>;

export const url = z
  .string()
  .max(2048)
  .describe("An `https://` address with a public host, without a user name and password")
  .meta({ example: "https://example.com/omoi" });
const chosenEvents = z
  .array(z.string().max(100).refine(isEventPattern, "is no event type; see GET …/event-types"))
  .min(1, "name at least one event")
  .max(100, "at most 100 events")
  .transform((names) => [...new Set(names)])
  .describe("Event types, `<subject>.*` or `*`. Each requires the permission to read its subject")
  .meta({ example: ["run.failed", "merge.*"] });

const newWebhook = z.strictObject({
  url,
  events: chosenEvents,
  description: description
    .nullish()
    .describe("A note of at most 2 000 characters; null removes it"),
});
export type NewWebhook = z.output<typeof newWebhook>;
const webhookChanges = newWebhook.partial().extend({
  enabled: z
    .boolean()
    .optional()
    .describe("False disables it and gives up its waiting deliveries; true enables it again"),
});
export type WebhookChanges = z.output<typeof webhookChanges>;

const params = orgParams.extend({ webhook_id: id.describe("Id of the webhook") });
const deliveryParams = params.extend({ delivery_id: id.describe("Id of the delivery") });
const path = "/api/v1/organizations/{org_id}/webhooks" as const;

export const webhooks = {
  eventTypes: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/event-types",
    access: "org:read",
    summary: "List the types of events by subject, with the permissions that they require",
    params: orgParams,
    query: page,
    response: z.array(
      z.strictObject({
        name: z.enum(eventNames as [string, ...string[]]).describe("The event's type"),
        description: z.string().describe("What happened, as a sentence without its full stop"),
        permission: z.string().describe("The permission that is required to receive it"),
      }),
    ),
  }),
  create: endpoint({
    method: "POST",
    path,
    access: "org:webhooks:write",
    summary: "Create a webhook; this is the only answer with its secret",
    status: 201,
    location: "/api/v1/organizations/{org_id}/webhooks/{id}",
    params: orgParams,
    body: newWebhook,
    response: webhookWithSecret,
    secrets: ["secret"],
    errors: ["too_many_webhooks"],
  }),
  list: endpoint({
    method: "GET",
    path,
    access: "org:webhooks:read",
    summary: "List the organization's webhooks, oldest first",
    params: orgParams,
    query: page,
    response: z.array(webhook),
  }),
  get: endpoint({
    method: "GET",
    path: `${path}/{webhook_id}`,
    access: "org:webhooks:read",
    summary: "Get a webhook",
    params,
    response: webhook,
  }),
  update: endpoint({
    method: "PATCH",
    path: `${path}/{webhook_id}`,
    access: "org:webhooks:write",
    summary: "Change, disable or enable a webhook",
    params,
    body: webhookChanges,
    response: webhook,
  }),
  delete: endpoint({
    method: "DELETE",
    path: `${path}/{webhook_id}`,
    access: "org:webhooks:write",
    summary: "Delete a webhook with its deliveries",
    params,
  }),
  rotateSecret: endpoint({
    method: "POST",
    path: `${path}/{webhook_id}/rotate-secret`,
    access: "org:webhooks:write",
    summary: "Replace the secret; the previous one signs as well for 24 hours",
    params,
    response: webhookWithSecret,
    secrets: ["secret"],
  }),
  test: endpoint({
    method: "POST",
    path: `${path}/{webhook_id}/test`,
    access: "org:webhooks:write",
    summary: "Send a `webhook.test` event and return its delivery after the first attempt",
    params,
    response: delivery,
  }),
  deliveries: endpoint({
    method: "GET",
    path: `${path}/{webhook_id}/deliveries`,
    access: "org:webhooks:read",
    summary: "List the deliveries, newest first; kept for the days of `OMOI_DELIVERY_DAYS`",
    params,
    query: page.extend({
      status: z.enum(deliveryStatuses).optional().describe("Only deliveries in this state"),
    }),
    response: z.array(delivery),
  }),
  delivery: endpoint({
    method: "GET",
    path: `${path}/{webhook_id}/deliveries/{delivery_id}`,
    access: "org:webhooks:read",
    summary: "Get a delivery with its payload",
    params: deliveryParams,
    response: deliveryWithPayload,
  }),
  redeliver: endpoint({
    method: "POST",
    path: `${path}/{webhook_id}/deliveries/{delivery_id}/redeliver`,
    access: "org:webhooks:write",
    summary:
      "Send an event again, with the same id: by a new delivery, or by the next attempt of a pending one",
    status: 202,
    params: deliveryParams,
    response: delivery,
    errors: ["webhook_disabled"],
  }),
};
