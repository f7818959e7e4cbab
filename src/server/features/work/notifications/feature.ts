import { notifications } from "#shared/api/work/notifications.js";
import { routesOf } from "../../../http/register-routes.js";
import type { Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { createDeliverer, createWebhookClient } from "../../operation/webhooks/index.js";
import { personalQueue } from "./sending/personal-queue.js";
import { notificationHandlers } from "./routes.js";
import { expireNotifications, startNotifications } from "./start-notifications.js";

export function notificationsFeature({ config, db, mailer, publicUrl, log }: Services): Feature {
  const { secret, notificationDelaySeconds: delaySeconds } = config;
  const client = createWebhookClient(config.webhookPrivateHosts);
  const deliverer = createDeliverer({ client, secret, log }, personalQueue(db, publicUrl));
  const sendsEmail = config.smtp !== null;
  let work: ReturnType<typeof startNotifications> | undefined;
  return {
    name: "notifications",
    routes: [
      routesOf(
        notifications,
        notificationHandlers({ db, rules: config, secret, deliverer, sendsEmail }),
      ),
    ],
    start: () => {
      work = startNotifications({ db, mailer, publicUrl, delaySeconds, deliverer, log });
    },
    hourly: () => expireNotifications(db, config.deliveryDays),
    stop: async () => {
      await work?.stop();
      await deliverer.stop();
    },
    close: async () => client.close(),
  };
}
