import { webhooks } from "#shared/api/operation/webhooks.js";
import { routesOf } from "../../../http/register-routes.js";
import { valuesOf, withZeros } from "../../../metrics/database-gauges.js";
import { jobWorker, type Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { organizationQueue } from "./organization-queue.js";
import { webhookHandlers } from "./routes.js";
import { createDeliverer } from "./sending/create-deliverer.js";
import { expireEvents, startDeliveries } from "./start-deliveries.js";
import { createWebhookClient } from "./sending/webhook-client.js";
import { webhooksByState, webhookStates } from "./webhooks.queries.js";

export function webhooksFeature({ config, db, jobs, mailer, publicUrl, log }: Services): Feature {
  const { secret } = config;
  const client = createWebhookClient(config.webhookPrivateHosts);
  const deliverer = createDeliverer({ client, secret, log }, organizationQueue(db));
  let dispatch: ReturnType<typeof startDeliveries> | undefined;
  return {
    name: "webhooks",
    routes: [routesOf(webhooks, webhookHandlers({ rules: config, secret, deliverer }))],
    jobs: [
      // The job ends when sending has begun: the deliveries themselves record what is left to do.
      jobWorker("deliver-webhook", (target) => Promise.resolve(deliverer.wake(target))),
    ],
    gauges: [
      {
        name: "omoi_webhooks",
        help: "Webhooks of organizations by state; `failing` from a failed attempt to the next success.",
        labels: ["state"],
        query: async (tx) => withZeros(webhookStates, await valuesOf(tx, webhooksByState)),
      },
    ],
    start: () => {
      dispatch = startDeliveries({ db, jobs, mailer, deliverer, publicUrl, log });
    },
    hourly: () => expireEvents(db, config.deliveryDays),
    stop: async () => {
      await dispatch?.stop();
      await deliverer.stop();
    },
    close: async () => client.close(),
  };
}
