import { notifications, type NotificationDelivery } from "#shared/api/work/notifications.js";
import { requireFullAccess } from "../../../access/authorize.js";
import { byTime, pagesOf } from "../../../http/requests/pagination.js";
import type { Handlers } from "../../../http/register-routes.js";
import type { ActorContext } from "../../../http/requests/request-context.js";
import { listDeliveries } from "./list-deliveries.js";
import * as settings from "./settings/notification-settings.js";
import * as webhook from "./settings/personal-webhook.js";

type Deps = settings.SettingsDeps & webhook.PersonalWebhookDeps;

/** Returns the person; they are the person's own settings. @throws AppError 403 */
function personOf({ actor }: ActorContext): string {
  requireFullAccess(actor);
  return actor.userId;
}

export function notificationHandlers(deps: Deps): Handlers<typeof notifications> {
  const { db } = deps;
  const pages = pagesOf(notifications.deliveries, byTime);
  return {
    get: (context) => settings.readSettings(deps, personOf(context)),
    set: (context, { body }) => settings.setChoices(deps, personOf(context), body.choices),
    setForOrganization: (context, { params, body }) => {
      personOf(context);
      return settings.setOrganizationChoices(deps, context.actor, params.org_id, body.choices);
    },
    resetForOrganization: async (context, { params }) => {
      personOf(context);
      await settings.resetOrganizationChoices(deps, context.actor, params.org_id);
      return undefined;
    },
    getWebhook: (context) => webhook.readWebhook(db, personOf(context)),
    setWebhook: (context, { body }) => webhook.setWebhook(deps, personOf(context), body.url),
    deleteWebhook: async (context) => {
      await webhook.deleteWebhook(db, personOf(context));
      return undefined;
    },
    testWebhook: (context) => webhook.testWebhook(deps, personOf(context)),
    deliveries: (context, { query }) => {
      const userId = personOf(context);
      const { channel = null, status = null } = query;
      return pages(context, query, {
        read: (before, limit) => listDeliveries(db, userId, { channel, status, before, limit }),
        keyOf: ({ created_at, id }: NotificationDelivery) => [created_at, id],
      });
    },
  };
}
