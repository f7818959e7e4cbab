import { admin } from "#shared/api/operation/admin.js";
import { routesOf } from "../../../http/register-routes.js";
import type { Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { adminHandlers } from "./routes.js";

export function peopleFeature({ db, publicUrl }: Services): Feature {
  return { name: "people", routes: [routesOf(admin, adminHandlers(db, publicUrl))] };
}
