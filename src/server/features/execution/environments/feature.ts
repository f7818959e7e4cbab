import { environments } from "#shared/api/execution/environments.js";
import { routesOf } from "../../../http/register-routes.js";
import type { Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { removeUnusedEnvironments } from "./layers.js";
import { environmentHandlers } from "./routes.js";

export function environmentsFeature(services: Services): Feature {
  return {
    name: "environments",
    routes: [routesOf(environments, environmentHandlers(services))],
    hourly: () => removeUnusedEnvironments(services, services.log),
  };
}
