import { serviceAccounts } from "#shared/api/identity/service-accounts.js";
import { routesOf } from "../../../http/register-routes.js";
import type { Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { serviceAccountHandlers } from "./routes.js";

export function serviceAccountsFeature({ keys }: Services): Feature {
  return {
    name: "service-accounts",
    routes: [routesOf(serviceAccounts, serviceAccountHandlers(keys))],
  };
}
