import { organizations } from "#shared/api/organization/organizations.js";
import { routesOf } from "../../../http/register-routes.js";
import type { Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { organizationHandlers } from "./routes.js";

export function organizationsFeature({ config, db }: Services): Feature {
  return {
    name: "organizations",
    routes: [routesOf(organizations, organizationHandlers(db, config))],
  };
}
