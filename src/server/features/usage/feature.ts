import { usage } from "#shared/api/organizations/usage.js";
import { routesOf } from "../../http/register-routes.js";
import type { Feature } from "../feature.js";
import type { Services } from "../services.js";
import { usageHandlers } from "./routes.js";

export function usageFeature({ workspaces, otherNodes }: Services): Feature {
  return { name: "usage", routes: [routesOf(usage, usageHandlers(workspaces, otherNodes))] };
}
