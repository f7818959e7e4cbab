import { maintenance } from "#shared/api/operation/maintenance.js";
import { routesOf } from "../../../http/register-routes.js";
import type { Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { maintenanceHandlers } from "./routes.js";

export function maintenanceFeature({ db }: Services): Feature {
  return { name: "maintenance", routes: [routesOf(maintenance, maintenanceHandlers(db))] };
}
