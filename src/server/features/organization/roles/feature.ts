import { roles } from "#shared/api/organization/roles.js";
import { routesOf } from "../../../http/register-routes.js";
import type { Feature } from "../../feature.js";
import { roleHandlers } from "./routes.js";

export function rolesFeature(): Feature {
  return { name: "roles", routes: [routesOf(roles, roleHandlers())] };
}
