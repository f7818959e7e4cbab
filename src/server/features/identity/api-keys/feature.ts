import { apiKeys } from "#shared/api/identity/api-keys.js";
import { routesOf } from "../../../http/register-routes.js";
import type { Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { announceExpiringKeys } from "./expiry.js";
import { deleteExpiredUsage } from "./key-access.js";
import { apiKeyHandlers } from "./routes.js";

export function apiKeysFeature({ db, keys, log }: Services): Feature {
  const announce = (): Promise<void> =>
    announceExpiringKeys(db).catch((error: unknown) => {
      log.warn({ err: error }, "expiring keys were not announced");
    });
  return {
    name: "api-keys",
    routes: [routesOf(apiKeys, apiKeyHandlers(keys))],
    start: announce,
    hourly: () => Promise.all([announce(), deleteExpiredUsage(db)]),
    stop: () => keys.keyring.close(),
  };
}
