import { apiKeys } from "#shared/api/organizations/api-keys.js";
import { routesOf } from "../../http/register-routes.js";
import type { Feature } from "../feature.js";
import type { Services } from "../services.js";
import { sendExpiryWarnings } from "./expiry.js";
import { deleteExpiredUsage } from "./key-access.js";
import { apiKeyHandlers } from "./routes.js";

export function apiKeysFeature({ db, keys, log }: Services): Feature {
  const warn = (): Promise<void> =>
    sendExpiryWarnings(keys).catch((error: unknown) => {
      log.warn({ err: error }, "owners of expiring keys were not warned");
    });
  return {
    name: "api-keys",
    routes: [routesOf(apiKeys, apiKeyHandlers(keys))],
    start: warn,
    hourly: () => Promise.all([warn(), deleteExpiredUsage(db)]),
    stop: () => keys.keyring.close(),
  };
}
