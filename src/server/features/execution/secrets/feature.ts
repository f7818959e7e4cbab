import { organizationSecrets, projectSecrets } from "#shared/api/execution/secrets.js";
import { routesOf } from "../../../http/register-routes.js";
import type { Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { organizationSecretHandlers, projectSecretHandlers } from "./routes.js";

export function secretsFeature({ config }: Services): Feature {
  return {
    name: "secrets",
    routes: [
      routesOf(organizationSecrets, organizationSecretHandlers(config.secret)),
      routesOf(projectSecrets, projectSecretHandlers(config.secret)),
    ],
  };
}
