import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { delivery as sentDelivery, newWebhookSecret, url } from "../operation/webhooks.js";
import { id, nullable, orgParams, page, timestamp } from "../../contract/fields.js";
import {
  notificationChannels,
  notificationDisabledReasons,
  notificationKindNames,
  notificationScopes,
  notificationStatuses,
} from "../../work/notification-kinds.js";

const kind = z.enum(notificationKindNames).describe("The kind of notifications");
const scope = z
  .enum(notificationScopes)
  .describe(
    "`own` for what you started and what is asked of you, `all` for everything that you may read in the organization",
  );

const choice = z.strictObject({
  kind,
  email: z.boolean().describe("Whether it is sent by email"),
  webhook: z.boolean().describe("Whether it is sent to your webhook"),
  scope,
});
export type NotificationChoice = z.output<typeof choice>;

const personalWebhook = z.strictObject({
  url: z
    .string()
    .describe("Where notifications are sent")
    .meta({ example: "https://example.com/omoi" }),
  enabled: z.boolean().describe("Whether it gets notifications"),
  disabled_reason: z
    .enum(notificationDisabledReasons)
    .nullable()
    .describe(
      "Why the server disabled it: `gone` after a 410 response, `failing` after three days without a success, `backlog` with too many waiting deliveries; null while it is enabled",
    ),
  disabled_at: nullable.timestamp.describe("When it was disabled"),
  failing_since: nullable.timestamp.describe(
    "The first failed attempt since the last success; null when attempts succeed",
  ),
  created_at: timestamp.describe("When the first address was set"),
  updated_at: timestamp.describe("When the address was last set, or the server disabled it"),
});
export type PersonalWebhook = z.output<typeof personalWebhook>;

const webhookWithSecret = personalWebhook.extend(newWebhookSecret);

const settings = z.strictObject({
  kinds: z
    .array(
      z.strictObject({
        name: kind,
        title: z.string().describe("Its name on pages").meta({ example: "Failed runs" }),
        description: z.string().describe("What it covers, as a sentence without its full stop"),
        has_scope: z.boolean().describe("Whether `scope` makes a difference"),
      }),
    )
    .describe("The kinds of notifications"),
  choices: z
    .array(choice)
    .describe("What you get, for organizations without choices of their own; each kind once"),
  organizations: z
    .array(
      z.strictObject({
        id: id.describe("Id of the organization"),
        name: z.string().describe("Name of the organization"),
        slug: z.string().describe("Slug of the organization"),
        choices: z
          .array(choice)
          .nullable()
          .describe("What you get of this organization; null where `choices` above apply"),
      }),
    )
    .describe("Your organizations that are not archived"),
  email: z
    .strictObject({
      address: z.string().describe("Your email address"),
      is_verified: z.boolean().describe("Whether it is confirmed; others get no notifications"),
      is_sent: z
        .boolean()
        .describe(
          "Whether emails leave the server; without a mail server they stay in its outbox folder",
        ),
    })
    .describe("Where emails are sent"),
  webhook: personalWebhook.nullable().describe("Your webhook; null without one"),
});
export type NotificationSettings = z.output<typeof settings>;

const delivery = z.strictObject({
  id: id.describe("Id of the delivery"),
  notification_id: id.describe("Id of the notification, sent as `webhook-id`"),
  channel: z.enum(notificationChannels).describe("How it is sent"),
  kind: kind.nullable().describe("The kind of the notification; null for a test"),
  type: z.string().describe("The type of the event").meta({ example: "run.failed" }),
  organization: z
    .strictObject({
      id: id.describe("Id of the organization"),
      name: z.string().describe("Name of the organization"),
    })
    .nullable()
    .describe("The organization; null for what is about you alone, and if you may not see it"),
  text: nullable.string.describe(
    "What happened, as a sentence; null if you may not read it any more",
  ),
  path: nullable.string.describe(
    "The page about it, below the address of the server; null if there is none",
  ),
  status: z
    .enum(notificationStatuses)
    .describe(
      "`pending` until it is sent or given up; `skipped` if you had no access to it any more, or it was over",
    ),
  ...sentDelivery.pick({ attempts: true, created_at: true, next_attempt_at: true }).shape,
  ended_at: nullable.timestamp.describe("When it was sent, skipped or given up"),
  response_status: nullable.integer.describe("HTTP status of the last response; null without one"),
  error: nullable.string.describe(
    "Why the last attempt failed or it was skipped, as a sentence; null for a success",
  ),
});
export type NotificationDelivery = z.output<typeof delivery>;

const choices = z
  .array(choice)
  .max(notificationKindNames.length)
  .refine(
    (all) => new Set(all.map((choice) => choice.kind)).size === all.length,
    "names a kind more than once",
  )
  .describe("The kinds to choose for. Kinds that are missing get their defaults");
const newChoices = z.strictObject({ choices });
const newWebhook = z.strictObject({ url });

const path = "/api/v1/auth/me/notifications" as const;
const errors = ["insufficient_permission"] as const;

export const notifications = {
  get: endpoint({
    method: "GET",
    path,
    access: "signed-in",
    summary: "Get what you are notified of, and how",
    response: settings,
    errors,
  }),
  set: endpoint({
    method: "PUT",
    path,
    access: "signed-in",
    summary: "Choose what you are notified of, in organizations without choices of their own",
    body: newChoices,
    response: settings,
    errors,
  }),
  setForOrganization: endpoint({
    method: "PUT",
    path: `${path}/organizations/{org_id}`,
    access: "signed-in",
    summary: "Choose what you are notified of in one organization",
    params: orgParams,
    body: newChoices,
    response: settings,
    errors,
  }),
  resetForOrganization: endpoint({
    method: "DELETE",
    path: `${path}/organizations/{org_id}`,
    access: "signed-in",
    summary: "Use your general choices in an organization again",
    params: orgParams,
    errors,
  }),
  getWebhook: endpoint({
    method: "GET",
    path: `${path}/webhook`,
    access: "signed-in",
    summary: "Get your webhook",
    response: personalWebhook,
    errors: [...errors, "not_found"],
  }),
  setWebhook: endpoint({
    method: "PUT",
    path: `${path}/webhook`,
    access: "signed-in",
    summary:
      "Set the address of your webhook with a new secret, and enable it; this is the only answer with the secret",
    body: newWebhook,
    response: webhookWithSecret,
    secrets: ["secret"],
    errors,
  }),
  deleteWebhook: endpoint({
    method: "DELETE",
    path: `${path}/webhook`,
    access: "signed-in",
    summary: "Delete your webhook with its deliveries",
    errors: [...errors, "not_found"],
  }),
  testWebhook: endpoint({
    method: "POST",
    path: `${path}/webhook/test`,
    access: "signed-in",
    summary: "Send a `notification.test` message and return its delivery after the first attempt",
    response: delivery,
    errors: [...errors, "not_found"],
  }),
  deliveries: endpoint({
    method: "GET",
    path: `${path}/deliveries`,
    access: "signed-in",
    summary:
      "List your notifications by email and webhook, newest first; kept for the days of `OMOI_DELIVERY_DAYS`",
    query: page.extend({
      channel: z.enum(notificationChannels).optional().describe("Only those of this channel"),
      status: z.enum(notificationStatuses).optional().describe("Only those in this state"),
    }),
    response: z.array(delivery),
    errors,
  }),
};
