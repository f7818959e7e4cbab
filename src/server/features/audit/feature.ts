import { audit } from "#shared/api/organizations/audit.js";
import { routesOf } from "../../http/register-routes.js";
import type { Feature } from "../feature.js";
import { auditHandlers } from "./routes.js";

export function auditFeature(): Feature {
  return { name: "audit", routes: [routesOf(audit, auditHandlers())] };
}
